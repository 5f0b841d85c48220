/* crc32c() by tables, 8 bytes at a time (meson chooses this file where there is no instruction for it). */
#include "common/base/crc32c.h"
#include <pthread.h>
#include <string.h>

enum { TABLES = 8 };
#define POLYNOMIAL UINT32_C(0x82f63b78) /* reflected */

static uint32_t tables[TABLES][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_make(void)
{
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t crc = n;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
        }
        tables[0][n] = crc;
    }
    for (uint32_t n = 0; n < 256; n++) {
        for (int k = 1; k < TABLES; k++) {
            tables[k][n] = tables[0][tables[k - 1][n] & 255] ^ (tables[k - 1][n] >> 8);
        }
    }
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t c = ~crc;
    pthread_once(&tables_once, tables_make);
    for (; size >= TABLES; size -= TABLES, p += TABLES) {
        uint32_t low, high;
        memcpy(&low, p, sizeof(low));
        memcpy(&high, p + sizeof(low), sizeof(high));
        low ^= c; /* little-endian, as the encodings are */
        c = tables[7][low & 255] ^ tables[6][(low >> 8) & 255] ^ tables[5][(low >> 16) & 255] ^
            tables[4][low >> 24] ^ tables[3][high & 255] ^ tables[2][(high >> 8) & 255] ^
            tables[1][(high >> 16) & 255] ^ tables[0][high >> 24];
    }
    for (; size > 0; size--, p++) {
        c = tables[0][(c ^ *p) & 255] ^ (c >> 8);
    }
    return ~c;
}
