# tests/dnsd
