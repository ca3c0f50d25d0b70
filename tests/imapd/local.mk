# tests/imapd
