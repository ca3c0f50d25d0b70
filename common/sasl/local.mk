EXTRA_DIST += common/sasl/sasl.h
