# tests/control
