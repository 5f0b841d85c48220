/* Addresses of name nodes (site.h). */
#include "common/fs/hdfs/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct search {
    const struct hadoop_conf *conf;
    struct hdfs_site *site;
    bool is_tls;
};

static void add_node(struct search *s, const char *host, size_t host_len, const char *port,
                     const char *told_by)
{
    STR_AUTO url = STR_INIT;
    if (s->site->n_nodes < HDFS_NODES_MAX) {
        str_printf(&url, "%s://%.*s:%s", s->is_tls ? "https" : "http", (int)host_len, host, port);
        s->site->told_by[s->site->n_nodes] = mem_strdup(told_by);
        s->site->nodes[s->site->n_nodes++] = str_take(&url);
    }
}

/* "host:port", "host", "[::1]:port": how long the host is; *ret_port: "" where there is none. */
static size_t split_port(const char *address, const char **ret_port)
{
    const char *bracket = strrchr(address, ']');
    const char *colon = strrchr(bracket != NULL ? bracket : address, ':');
    *ret_port = colon != NULL ? colon + 1 : "";
    return colon != NULL ? (size_t)(colon - address) : strlen(address);
}

/* The HTTP address under a key, which may leave the host to the name node's own. */
static bool add_under(struct search *s, const char *key, const char *host, size_t host_len)
{
    STR_AUTO address = STR_INIT;
    const char *port;
    if (!hadoop_conf_get(s->conf, key, &address)) {
        return false;
    }
    size_t len = split_port(str_cstr(&address), &port);
    bool is_any = len == 0 || (len == 7 && memcmp(address.data, "0.0.0.0", 7) == 0);
    if (is_any && host_len == 0) {
        return false;
    }
    char usual[8];
    snprintf(usual, sizeof(usual), "%d", s->is_tls ? HDFS_PORT_HTTPS : HDFS_PORT_HTTP);
    add_node(s, is_any ? host : str_cstr(&address), is_any ? host_len : len,
             port[0] != '\0' ? port : usual, key);
    return true;
}

static const char *http_key(const struct search *s)
{
    return s->is_tls ? "dfs.namenode.https-address" : "dfs.namenode.http-address";
}

/* A name node of a service: by its HTTP address, else its RPC host and the usual port. */
static void add_of_service(struct search *s, const char *service, const char *id)
{
    STR_AUTO key = STR_INIT;
    STR_AUTO rpc = STR_INIT;
    const char *port = "";
    str_printf(&key, "dfs.namenode.rpc-address.%s%s%s", service, id[0] != '\0' ? "." : "", id);
    (void)hadoop_conf_get(s->conf, str_cstr(&key), &rpc);
    size_t len = split_port(str_cstr(&rpc), &port);
    STR_AUTO http = STR_INIT;
    str_printf(&http, "%s.%s%s%s", http_key(s), service, id[0] != '\0' ? "." : "", id);
    if (!add_under(s, str_cstr(&http), str_cstr(&rpc), len) && len > 0) {
        char usual[8];
        snprintf(usual, sizeof(usual), "%d", s->is_tls ? HDFS_PORT_HTTPS : HDFS_PORT_HTTP);
        add_node(s, str_cstr(&rpc), len, usual, str_cstr(&key));
    }
}

static bool is_in_list(const struct hadoop_conf *conf, const char *key, const char *name)
{
    STR_AUTO list = STR_INIT;
    if (!hadoop_conf_get(conf, key, &list)) {
        return false;
    }
    struct slice rest = str_slice(&list), item;
    while (slice_next(&rest, ',', &item)) {
        if (slice_eq_cstr(slice_trim(item), name)) {
            return true;
        }
    }
    return false;
}

/* A name service and its name nodes; false: there is no such service. */
static bool add_service(struct search *s, const char *service)
{
    STR_AUTO key = STR_INIT;
    STR_AUTO ids = STR_INIT;
    str_printf(&key, "dfs.ha.namenodes.%s", service);
    bool has_ids = hadoop_conf_get(s->conf, str_cstr(&key), &ids);
    if (!has_ids && !is_in_list(s->conf, "dfs.nameservices", service)) {
        return false;
    }
    if (!has_ids) { /* one name node */
        add_of_service(s, service, "");
        return true;
    }
    struct slice rest = str_slice(&ids), id;
    while (slice_next(&rest, ',', &id)) {
        id = slice_trim(id);
        if (id.len > 0) {
            char *name = mem_strndup(id.data, id.len);
            add_of_service(s, service, name);
            mem_free(name);
        }
    }
    return true;
}

/* hdfs://host:port without a service: its HTTP address is the configured one when the configuration means this name node. */
static void add_plain(struct search *s, const char *authority)
{
    static const char *const rpc_keys[] = {"dfs.namenode.rpc-address", "fs.defaultFS"};
    const char *port;
    size_t len = split_port(authority, &port);
    for (size_t i = 0; i < ARRAY_LEN(rpc_keys); i++) {
        STR_AUTO value = STR_INIT;
        if (!hadoop_conf_get(s->conf, rpc_keys[i], &value)) {
            continue;
        }
        const char *address = str_cstr(&value), *its_port;
        address = cstr_starts_with(address, "hdfs://") ? address + 7 : address;
        size_t its_len = split_port(address, &its_port);
        its_len = MIN(its_len, strcspn(address, "/"));
        int its = atoi(its_port), mine = atoi(port);
        if (its_len == len && strncasecmp(address, authority, len) == 0 &&
            (its != 0 ? its : HDFS_PORT_RPC) == (mine != 0 ? mine : HDFS_PORT_RPC) &&
            add_under(s, http_key(s), authority, len)) {
            return;
        }
    }
    char usual[8];
    snprintf(usual, sizeof(usual), "%d", s->is_tls ? HDFS_PORT_HTTPS : HDFS_PORT_HTTP);
    add_node(s, authority, len, usual, "the path, and the usual port of HTTP");
}

static int find_default(const struct hadoop_conf *conf, const char *scheme, struct str *ret,
                        struct error *err)
{
    STR_AUTO value = STR_INIT;
    if (!hadoop_conf_get(conf, "fs.defaultFS", &value) &&
        !hadoop_conf_get(conf, "fs.default.name", &value)) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "%s:/// names no name node, and there is no fs.defaultFS%s%s: write "
                         "%s://HOST:PORT/..., or set HADOOP_CONF_DIR, fs.hdfs.hadoopconf or "
                         "flink.hadoop.fs.defaultFS",
                         scheme, conf->folder.len > 0 ? " in " : "", str_cstr(&conf->folder),
                         scheme);
    }
    const char *rest = strstr(str_cstr(&value), "://");
    if (rest == NULL || strcspn(rest + 3, "/") == 0) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "fs.defaultFS: '%s' is no address such as hdfs://HOST:PORT",
                         str_cstr(&value));
    }
    str_append(ret, rest + 3, strcspn(rest + 3, "/"));
    return 0;
}

static int find_nodes(struct search *s, const char *scheme, const char *authority,
                      struct error *err)
{
    const struct hadoop_conf *conf = s->conf;
    const char *port;
    if (add_service(s, authority)) {
        return s->site->n_nodes > 0
                   ? 0
                   : error_set(err, ERR_INVALID_CONFIG,
                               "%s://%s: %s names the service, but no address of a name node: "
                               "%s.%s.ID is needed for each of dfs.ha.namenodes.%s",
                               scheme, authority,
                               conf->folder.len > 0 ? str_cstr(&conf->folder) : "flink.hadoop.*",
                               http_key(s), authority, authority);
    }
    size_t len = split_port(authority, &port);
    if (strcmp(scheme, "hdfs") == 0) {
        add_plain(s, authority);
        return 0;
    }
    char usual[8];
    snprintf(usual, sizeof(usual), "%d", s->is_tls ? HDFS_PORT_HTTPS : HDFS_PORT_HTTP);
    add_node(s, authority, len, port[0] != '\0' ? port : usual, "the path");
    return 0;
}

/* A host without dots or port that nobody configured may be meant as a service: said when it does not answer. */
int hdfs_site_new(const struct hadoop_conf *conf, const char *scheme, const char *authority,
                  struct hdfs_site **ret_site, struct error *err)
{
    STR_AUTO policy = STR_INIT;
    STR_AUTO found = STR_INIT;
    STR_AUTO name = STR_INIT;
    if (authority[0] == '\0') {
        TRY(find_default(conf, scheme, &found, err));
        authority = str_cstr(&found);
    }
    if (strpbrk(authority, "@?#% ") != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s://%s: '%s' is no host or name service",
                         scheme, authority, authority);
    }
    struct hdfs_site *site = MEM_NEW(struct hdfs_site);
    struct search s = {.conf = conf, .site = site};
    s.is_tls = strcmp(scheme, "swebhdfs") == 0 ||
               (strcmp(scheme, "hdfs") == 0 && hadoop_conf_get(conf, "dfs.http.policy", &policy) &&
                strcasecmp(str_cstr(&policy), "HTTPS_ONLY") == 0);
    str_printf(&name, "%s://%s", scheme, authority);
    site->name = str_take(&name);
    int rc = find_nodes(&s, scheme, authority, err);
    if (rc < 0) {
        return hdfs_site_free(site), rc;
    }
    *ret_site = site;
    return 0;
}

struct hdfs_site *hdfs_site_free(struct hdfs_site *s)
{
    if (s != NULL) {
        for (uint32_t i = 0; i < s->n_nodes; i++) {
            mem_free(s->nodes[i]);
            mem_free(s->told_by[i]);
        }
        mem_free(s->name);
        mem_free(s);
    }
    return NULL;
}
