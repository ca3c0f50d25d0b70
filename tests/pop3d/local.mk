# tests/pop3d
