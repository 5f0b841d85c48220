/* HDFS as a file system: schemes hdfs, webhdfs and swebhdfs (Flink: flink-hadoop-fs), spoken over WebHDFS or HttpFS.
 *
 * A file appears, whole, when its output is closed; folders are things of their own; a rename is atomic.
 *
 * Thread: hdfs_register() by main before others; the rest as fs.h. */
#ifndef FLINC_COMMON_FS_HDFS_HDFS_H
#define FLINC_COMMON_FS_HDFS_HDFS_H

#include "common/conf/conf.h"
#include "common/fs/driver.h"

enum {
    HDFS_BUFFER_BYTES_MIN = 64 * 1024,
    HDFS_BUFFER_BYTES_MAX = 1024 * 1024 * 1024,
};

/* Registers the schemes and keeps what `conf` says (fs.hdfs.*, flink.hadoop.*, env.hadoop.conf.dir, security.kerberos.login.*); the
 * first use of one reads Hadoop's configuration and makes the client.  ERR_INVALID_CONFIG names the key. */
int hdfs_register(const struct conf *conf, struct error *err) MUST_CHECK;
/* Ends what is under way.  The schemes stay, and fail. */
void hdfs_shut_down(void);

#endif
