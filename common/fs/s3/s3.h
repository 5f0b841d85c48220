/* S3 as a file system: schemes s3, s3a and s3p (Flink: flink-s3-fs-hadoop, -presto, -native).
 *
 * An object is a file; a folder is there as long as an object lies in it, and making one does nothing.  A file
 * appears, whole, when its output is closed; a rename is a copy and a deletion, one object at a time.
 *
 * Thread: s3_register() by main before others; the rest as fs.h. */
#ifndef FLINC_COMMON_FS_S3_S3_H
#define FLINC_COMMON_FS_S3_S3_H

#include "common/conf/conf.h"
#include "common/fs/driver.h"

enum {
    S3_PART_BYTES_MIN = 5 * 1024 * 1024,    /* of all parts but the last, says S3 */
    S3_PARTS_MAX = 10000,                   /* of an upload */
    S3_COPY_BYTES_MAX = 1024 * 1024 * 1024, /* copied by one request; more in parts */
};

/* Registers the schemes and keeps what `conf` says (s3.*, fs.s3a.*, fs.s3.*); the first use of one makes the client.  ERR_INVALID_CONFIG
 * names the key. */
int s3_register(const struct conf *conf, struct error *err) MUST_CHECK;
/* Ends what is under way.  The schemes stay, and fail. */
void s3_shut_down(void);

#endif
