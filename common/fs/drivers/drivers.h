/* All file systems of the product, for those who start processes.  Thread: main, before others. */
#ifndef FLINC_COMMON_FS_DRIVERS_DRIVERS_H
#define FLINC_COMMON_FS_DRIVERS_DRIVERS_H

#include "common/conf/conf.h"

/* Registers the schemes (s3, s3a, s3p; hdfs, webhdfs, swebhdfs) and keeps what `conf` says of them; the first use of one makes its
 * client.  Then those of plug-ins.  ERR_INVALID_CONFIG names the key. */
int file_systems_register(const struct conf *conf, struct error *err) MUST_CHECK;
/* Ends what is under way.  The schemes stay, and fail. */
void file_systems_shut_down(void);

#endif
