# tests/lint
TESTS += tests/lint/man-options.t
EXTRA_DIST += %D%/man-options.t
tests/lint/man-options.log: tests/daemon/conf-options

TESTS += tests/lint/includes.t tests/lint/source.t
EXTRA_DIST += tests/lint/lib.sh tests/lint/includes.t tests/lint/source.t
TESTS += tests/lint/manifest.t
EXTRA_DIST += tests/lint/manifest.t
tests/lint/manifest.log: $(CONTRIB_BUILT) master/pabal-master
TESTS += tests/lint/dist.t
EXTRA_DIST += tests/lint/dist.t
