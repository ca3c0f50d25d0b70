# tests/qmgr
