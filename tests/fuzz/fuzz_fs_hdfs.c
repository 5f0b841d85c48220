/* Hadoop's configuration files and keytabs: arbitrary bytes are read or refused. */
#include "common/fs/hdfs/hadoop_conf.h"
#include "common/fs/hdfs/kerberos.h"

static void try_conf(struct slice text)
{
    struct hadoop_conf conf;
    struct str value = STR_INIT;
    hadoop_conf_init(&conf);
    int rc = hadoop_conf_read(&conf, text, "core-site.xml", NULL);
    ASSERT(rc == 0 || rc == ERR_INVALID_CONFIG);
    for (const struct map_entry *e = map_next(&conf.values, NULL); e != NULL;
         e = map_next(&conf.values, e)) {
        (void)hadoop_conf_get(&conf, e->key, &value);
        ASSERT(value.len <= HADOOP_CONF_VALUE_MAX * 2);
    }
    hadoop_conf_fini(&conf);
    str_fini(&value);
}

static void try_keytab(struct slice bytes)
{
    struct str principal = STR_INIT, keys = STR_INIT, again = STR_INIT, none = STR_INIT;
    int rc = kerberos_find_keys(bytes, NULL, &principal, &keys, NULL);
    ASSERT(rc == 0 || rc == ERR_CORRUPT);
    rc = kerberos_find_keys(bytes, "flink", &principal, &keys, NULL);
    ASSERT(rc == 0 || rc == ERR_CORRUPT || rc == ERR_NOT_FOUND);
    if (rc == 0 && keys.len > 0) { /* the keys of one alone are a keytab of it */
        ASSERT(keys.len < bytes.len);
        ASSERT(kerberos_find_keys(str_slice(&keys), NULL, &again, &none, NULL) == 0);
        ASSERT(slice_eq(str_slice(&again), str_slice(&principal)));
    }
    str_fini(&principal);
    str_fini(&keys);
    str_fini(&again);
    str_fini(&none);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_make((const char *)data, size);
    try_conf(bytes);
    try_keytab(bytes);
    return 0;
}
