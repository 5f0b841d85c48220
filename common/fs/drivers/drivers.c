/* The list of file systems (drivers.h). */
#include "common/fs/drivers/drivers.h"

#include "common/fs/hdfs/hdfs.h"
#include "common/fs/plugins/plugins.h"
#include "common/fs/s3/s3.h"

int file_systems_register(const struct conf *conf, struct error *err)
{
    TRY(s3_register(conf, err));
    TRY(hdfs_register(conf, err));
    fs_plugins_load(conf, NULL);
    return 0;
}

void file_systems_shut_down(void)
{
    s3_shut_down();
    hdfs_shut_down();
    fs_plugins_stop();
}
