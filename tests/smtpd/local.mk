# tests/smtpd
