/* Where a file system of HDFS is: the addresses of its name nodes over HTTP, by what stands in a URI and what Hadoop's
 * configuration says of it.
 *
 *   webhdfs://host:port  swebhdfs://host:port   these themselves (HttpFS, too)
 *   hdfs://host[:port]                          the name node with this address of RPC; its HTTP address
 *   hdfs://service, webhdfs://service           a name service: all its name nodes (dfs.ha.namenodes.SERVICE)
 *   hdfs:///                                    fs.defaultFS
 *
 * Thread: any; const but for the name node that answered last. */
#ifndef FLINC_COMMON_FS_HDFS_SITE_H
#define FLINC_COMMON_FS_HDFS_SITE_H

#include "common/fs/hdfs/hadoop_conf.h"

#include <stdatomic.h>

enum {
    HDFS_NODES_MAX = 16, /* name nodes of a service */
    HDFS_PORT_HTTP = 9870,
    HDFS_PORT_HTTPS = 9871,
    HDFS_PORT_RPC = 8020,
};

struct hdfs_site {
    char *name;                  /* Owns; "hdfs://flinc", for messages */
    char *nodes[HDFS_NODES_MAX]; /* Own; "http://host:port" */
    char *told_by
        [HDFS_NODES_MAX]; /* Own; "dfs.namenode.http-address.flinc.nn1", for messages; "the path" */
    uint32_t n_nodes;
    _Atomic uint32_t active; /* the one that answered last */
};
/* ERR_INVALID_CONFIG: nothing says where it is; the keys that would. */
int hdfs_site_new(const struct hadoop_conf *conf, const char *scheme, const char *authority,
                  struct hdfs_site **ret_site, struct error *err) MUST_CHECK;
struct hdfs_site *hdfs_site_free(struct hdfs_site *s); /* NULL is fine; returns NULL */

#endif
