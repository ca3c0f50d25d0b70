# tests/lint
TESTS += tests/lint/man-options.t
EXTRA_DIST += %D%/man-options.t
tests/lint/man-options.log: tests/daemon/conf-options
