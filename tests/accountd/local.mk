# tests/accountd
