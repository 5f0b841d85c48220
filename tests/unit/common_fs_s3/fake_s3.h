/* A server of S3 in memory, for tests: objects, ranges, conditions, listings, uploads in parts, copies; and faults on
 * demand.  It looks at no signature, but at SHA-256 and CRC32C of bodies (servers that do are in tests/system).  Thread: any. */
#ifndef FLINC_TESTS_UNIT_COMMON_FS_S3_FAKE_S3_H
#define FLINC_TESTS_UNIT_COMMON_FS_S3_FAKE_S3_H

#include "common/base/map.h"
#include "common/base/str.h"
#include "common/base/vec.h"

#include <pthread.h>

enum fake_fault {
    FAKE_NONE,
    FAKE_SLOW_DOWN,    /* 503 */
    FAKE_ERROR,        /* 500 */
    FAKE_CUT,          /* half of the body, and the connection ends */
    FAKE_RESET,        /* no answer; nothing was done */
    FAKE_LOST,         /* it is done, and the answer is lost */
    FAKE_SKEWED,       /* 403 RequestTimeTooSkewed */
    FAKE_OTHER_REGION, /* 301 with another region */
    FAKE_ERROR_IN_200, /* of a completion */
    FAKE_DENIED,       /* 403 AccessDenied */
    FAKE_FLIPPED,      /* a bit of the body is another one when it comes */
};

/* What it does with check sums of files. */
enum fake_checksums { FAKE_CHECKS, FAKE_IGNORES_CHECKSUMS, FAKE_REFUSES_CHECKSUMS };

struct fake_object {
    struct str bytes;
    char etag[40], writer[64];
    char crc32c[16]; /* "": it came without; of the beginning of an upload "CRC32C" or "" */
};

struct fake_s3 {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    struct map objects;   /* "bucket/key": struct fake_object */
    struct map parts;     /* "upload/number": struct fake_object */
    uint32_t n_uploads, n_aborted;
    enum fake_fault fault;    /* of the next n requests */
    const char *fault_method; /* of these alone; NULL: all */
    uint32_t n_faults;
    uint32_t n_requests, n_connections;
    char last_region[40]; /* of the last signature, as the next */
    char last_authorization[512], last_token[64];
    int64_t clock_off_s; /* its clock; what was signed a quarter of an hour beside it is refused */
    uint32_t n_together; /* so many requests are answered when all of them have come */
    pthread_cond_t came;
    bool has_no_conditions; /* 501, as Swift answers If-None-Match */
    enum fake_checksums checksums;
    uint32_t n_signed, n_unsigned,
        n_checked; /* PUTs with a body: by their SHA-256, without, with a check sum */
    bool is_ending;
    struct vec connections; /* int: open ones */
    uint32_t n_threads;
    pthread_cond_t thread_ended;
};

void fake_s3_start(struct fake_s3 *s);
/* The schemes of the process are of this server from now on; `key`: one setting more, NULL: none. */
void fake_s3_configure(const struct fake_s3 *s, const char *key, const char *value);
void fake_s3_stop(struct fake_s3 *s);
void fake_s3_fail(struct fake_s3 *s, enum fake_fault fault, const char *method, uint32_t n);
/* NULL: there is none. */
const struct fake_object *fake_s3_find(struct fake_s3 *s, const char *bucket_and_key);

#endif
