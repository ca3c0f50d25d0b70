# tests/deliver
