#ifndef PABAL_BASE_CRC32C_H
#define PABAL_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 B.4). Start with 0; feed the result back in to go on. */
uint32_t crc32c(uint32_t crc, const void *p, size_t len);

#endif
