# tests/master
