/* Meanings of failures (failures.h): a table by the name of the exception. */
#include "common/fs/hdfs/failures.h"

#include <stdio.h>

struct meaning {
    const char *exception, *in_message; /* in_message NULL: any */
    enum error_code code;
    enum hdfs_verdict verdict;
    const char *remedy; /* NULL: its words say it */
};

#define WHO "check the rights there, and who asks: fs.hdfs.user, else HADOOP_USER_NAME"
#define LOGIN                                                                      \
    "check security.kerberos.login.keytab and .principal, or the ticket (klist), " \
    "security.kerberos.krb5-conf.path (or KRB5_CONFIG) and the clock, or "         \
    "fs.hdfs.delegation-token-file"

/* The first row that fits. */
static const struct meaning meanings[] = {
    {"StandbyException", NULL, ERR_UNAVAILABLE, HDFS_OTHER_NODE,
     "none of its name nodes is the active one: hdfs haadmin -getAllServiceState"},
    {"ObserverRetryOnActiveException", NULL, ERR_UNAVAILABLE, HDFS_OTHER_NODE, NULL},
    {"SafeModeException", NULL, ERR_UNAVAILABLE, HDFS_AGAIN,
     "the name node is in safe mode: hdfs dfsadmin -safemode get"},
    {"RetriableException", "safe mode", ERR_UNAVAILABLE, HDFS_AGAIN,
     "the name node is in safe mode: hdfs dfsadmin -safemode get"},
    {"RetriableException", NULL, ERR_UNAVAILABLE, HDFS_AGAIN, NULL},
    {"FileNotFoundException", NULL, ERR_NOT_FOUND, HDFS_FAILED, NULL},
    {"FileAlreadyExistsException", NULL, ERR_ALREADY_EXISTS, HDFS_FAILED, NULL},
    {"AccessControlException", NULL, ERR_PERMISSION, HDFS_FAILED, WHO},
    {"AuthorizationException", NULL, ERR_PERMISSION, HDFS_FAILED, WHO},
    {"InvalidToken", NULL, ERR_PERMISSION, HDFS_AGAIN, LOGIN},
    {"SecurityException", NULL, ERR_PERMISSION, HDFS_FAILED, LOGIN},
    {"AuthenticationException", NULL, ERR_PERMISSION, HDFS_FAILED, LOGIN},
    {"NSQuotaExceededException", NULL, ERR_NO_SPACE, HDFS_FAILED,
     "the quota of names is used up: hdfs dfs -count -q, hdfs dfsadmin -setQuota"},
    {"DSQuotaExceededException", NULL, ERR_NO_SPACE, HDFS_FAILED,
     "the quota of space is used up: hdfs dfs -count -q, hdfs dfsadmin -setSpaceQuota"},
    {"QuotaByStorageTypeExceededException", NULL, ERR_NO_SPACE, HDFS_FAILED,
     "the quota of its storage type is used up: hdfs dfs -count -q -t"},
    {"QuotaExceededException", NULL, ERR_NO_SPACE, HDFS_FAILED, "a quota is used up"},
    {"ParentNotDirectoryException", NULL, ERR_INVALID_ARGUMENT, HDFS_FAILED,
     "a file stands where a folder would"},
    {"PathIsNotEmptyDirectoryException", NULL, ERR_INVALID_ARGUMENT, HDFS_FAILED, NULL},
    {"UnsupportedOperationException", NULL, ERR_UNSUPPORTED, HDFS_FAILED, NULL},
    {"IllegalArgumentException", NULL, ERR_INVALID_ARGUMENT, HDFS_FAILED, NULL},
    {"HadoopIllegalArgumentException", NULL, ERR_INVALID_ARGUMENT, HDFS_FAILED, NULL},
    {"BlockMissingException", NULL, ERR_IO, HDFS_AGAIN, "no data node with the block answers"},
    {"IOException", "could only be written to", ERR_UNAVAILABLE, HDFS_AGAIN,
     "no data node takes it: are they there, and have they space (hdfs dfsadmin -report)?"},
    {"IOException", "Failed to find datanode", ERR_UNAVAILABLE, HDFS_AGAIN,
     "no data node is there: hdfs dfsadmin -report"},
    {"IOException", "safe mode", ERR_UNAVAILABLE, HDFS_AGAIN,
     "the name node is in safe mode: hdfs dfsadmin -safemode get"},
    {"IOException", "quota", ERR_NO_SPACE, HDFS_FAILED, "a quota is used up"},
    {"RecoveryInProgressException", NULL, ERR_UNAVAILABLE, HDFS_AGAIN, NULL},
    {"AlreadyBeingCreatedException", NULL, ERR_UNAVAILABLE, HDFS_AGAIN, NULL},
    {"ConnectException", NULL, ERR_UNAVAILABLE, HDFS_AGAIN, NULL},
    {"SocketTimeoutException", NULL, ERR_UNAVAILABLE, HDFS_AGAIN, NULL},
    {"ConnectTimeoutException", NULL, ERR_UNAVAILABLE, HDFS_AGAIN, NULL},
    {"NoRouteToHostException", NULL, ERR_UNAVAILABLE, HDFS_AGAIN, NULL},
};

static const struct meaning *meaning_of(const struct hdfs_call *call)
{
    for (size_t i = 0; i < ARRAY_LEN(meanings) && call->exception.len > 0; i++) {
        const struct meaning *m = &meanings[i];
        if (strcmp(str_cstr(&call->exception), m->exception) == 0 &&
            (m->in_message == NULL || strstr(str_cstr(&call->message), m->in_message) != NULL)) {
            return m;
        }
    }
    return NULL;
}

static bool is_at_name_node(const struct hdfs_call *call)
{
    return call->n_redirects == 0;
}

/* Not the login is wrong: the key server is away. */
static bool lacks_key_server(const struct exchange *x)
{
    return x->code == 0 && x->status == 401 &&
           strstr(x->no_ticket, "Cannot contact any KDC") != NULL;
}

enum hdfs_verdict hdfs_failure_verdict(const struct hdfs_call *call)
{
    const struct exchange *x = &call->x;
    const struct meaning *m = meaning_of(call);
    if (x->code < 0) {
        bool is_temporary =
            x->code == ERR_UNAVAILABLE || x->code == ERR_TIMEOUT || x->code == ERR_IO;
        return !is_temporary                                      ? HDFS_FAILED
               : is_at_name_node(call) && call->site->n_nodes > 1 ? HDFS_OTHER_NODE
                                                                  : HDFS_AGAIN;
    }
    if (m !=
        NULL) { /* a token of the redirection that has become old: the name node gives another one */
        return m->verdict == HDFS_AGAIN && m->code == ERR_PERMISSION && is_at_name_node(call)
                   ? HDFS_FAILED
                   : m->verdict;
    }
    return x->status >= 500 || x->status == 429 || x->status == 408 || lacks_key_server(x)
               ? HDFS_AGAIN
               : HDFS_FAILED;
}

enum error_code hdfs_failure_code(const struct hdfs_call *call)
{
    const struct exchange *x = &call->x;
    const struct meaning *m = meaning_of(call);
    if (x->code < 0) {
        return (enum error_code)x->code;
    }
    if (m != NULL) {
        return m->code;
    }
    if (lacks_key_server(x)) {
        return ERR_UNAVAILABLE;
    }
    if (x->status == 401 || (x->status == 403 && call->exception.len == 0)) {
        return ERR_PERMISSION;
    }
    if (x->status >= 500 || x->status == 429 || x->status == 408) {
        return ERR_UNAVAILABLE;
    }
    return call->exception.len > 0 ? ERR_IO : ERR_INVALID_CONFIG;
}

void hdfs_failure_words(const struct hdfs_call *call, struct str *ret_text)
{
    const struct exchange *x = &call->x;
    if (x->code < 0) {
        str_append_cstr(ret_text, x->why.message);
    } else if (x->status >= 300 && x->status < 400) {
        str_printf(ret_text, "it answered %d, but %s", x->status,
                   x->location.len == 0                      ? "does not say where to"
                   : call->n_redirects >= HDFS_REDIRECTS_MAX ? "a redirection leads to the next"
                                                             : "to no address of a server");
    } else if (call->exception.len > 0) {
        str_printf(ret_text, "it answered %d %s: %.400s", x->status, str_cstr(&call->exception),
                   str_cstr(&call->message));
    } else {
        const char *text = str_cstr(&x->answer);
        bool is_text = text[0] != '\0' && text[0] != '<';
        str_printf(ret_text, "it answered %d%s%.*s", x->status, is_text ? ": " : "",
                   is_text ? (int)MIN(strcspn(text, "\r\n"), (size_t)120) : 0, text);
    }
    if (x->code == 0 && x->no_ticket[0] != '\0') {
        str_printf(ret_text, ", and Kerberos here: %s", x->no_ticket);
    }
}

static const char *remedy_of(const struct hdfs_call *call, struct str *room)
{
    const struct exchange *x = &call->x;
    const struct meaning *m = meaning_of(call);
    const char *told_by = call->site->told_by[call->node];
    if (x->code == ERR_UNAVAILABLE || x->code == ERR_TIMEOUT) {
        if (is_at_name_node(call)) {
            str_printf(room, "check the address, which is that of %s, and the network", told_by);
        } else {
            str_append_cstr(room, "the name node named this data node (dfs.datanode.http.address, "
                                  "dfs.datanode.hostname): can it be reached from here?");
        }
        return str_cstr(room);
    }
    if (x->code == ERR_PERMISSION) {
        return "fs.hdfs.ssl.ca-file names a file of the certificates that are trusted instead of "
               "the "
               "system's";
    }
    if (m != NULL) {
        return m->remedy;
    }
    if (x->code == 0 && (x->status == 401 || x->status == 403)) {
        return LOGIN;
    }
    if (hdfs_failure_code(call) == ERR_INVALID_CONFIG) {
        str_printf(room, "is this the HTTP address of a name node with WebHDFS, or of HttpFS (%s)?",
                   told_by);
        return str_cstr(room);
    }
    return NULL;
}

int hdfs_failure_set(const struct hdfs_call *call, const char *who, struct error *err)
{
    STR_AUTO why = STR_INIT;
    STR_AUTO room = STR_INIT;
    char tries[32] = "";
    hdfs_failure_words(call, &why);
    if (call->n_tries > 1) {
        snprintf(tries, sizeof(tries), " (%u tries)", call->n_tries);
    }
    const char *url = str_cstr(&call->url), *rest = strstr(url, "://");
    int server_len = rest != NULL ? (int)((size_t)(rest + 3 - url) + strcspn(rest + 3, "/?")) : 0;
    const char *remedy = remedy_of(call, &room);
    return error_set(err, hdfs_failure_code(call), "%s %s%s at %.*s as %s: %s%s%s%s%s%s",
                     call->doing, call->site->name, call->path, server_len, url, who,
                     str_cstr(&why), tries, call->elsewhere.len > 0 ? "; before, at " : "",
                     str_cstr(&call->elsewhere), remedy != NULL ? "; " : "",
                     remedy != NULL ? remedy : "");
}
