/* What Hadoop's own configuration says of clusters: core-site.xml and hdfs-site.xml of a folder, and above them the
 * keys of ours that begin with flink.hadoop.
 *
 * Thread: one owner while it is filled; any afterwards.  Flink: HadoopUtils.getHadoopConfiguration(). */
#ifndef FLINC_COMMON_FS_HDFS_HADOOP_CONF_H
#define FLINC_COMMON_FS_HDFS_HADOOP_CONF_H

#include "common/base/map.h"
#include "common/conf/conf.h"

enum {
    HADOOP_CONF_FILE_MAX = 4 * 1024 * 1024,
    HADOOP_CONF_DEPTH_MAX = 20,
    HADOOP_CONF_VALUE_MAX = 65536
};

struct hadoop_conf {
    struct map values;  /* char *, Own */
    struct str folder;  /* where the files are; empty: nobody named a folder */
    struct str told_by; /* "HADOOP_CONF_DIR" */
};
void hadoop_conf_init(struct hadoop_conf *h);
void hadoop_conf_fini(struct hadoop_conf *h);
/* The folder of fs.hdfs.hadoopconf, else env.hadoop.conf.dir, HADOOP_CONF_DIR, HADOOP_HOME/etc/hadoop; none is fine, and so is a
 * folder without one of the files.  ERR_INVALID_CONFIG: there is no such folder, or a file is no XML. */
int hadoop_conf_load(struct hadoop_conf *h, const struct conf *conf, struct error *err) MUST_CHECK;
/* One file's text over what is there. */
int hadoop_conf_read(struct hadoop_conf *h, struct slice text, const char *name,
                     struct error *err) MUST_CHECK;
void hadoop_conf_set(struct hadoop_conf *h, const char *key, const char *value);
/* With ${key} of it and of the environment (${env.NAME}) put in; false: it is not set, or empty. */
bool hadoop_conf_get(const struct hadoop_conf *h, const char *key, struct str *ret_value);

#endif
