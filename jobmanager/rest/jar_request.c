/* Parsing requests to run or plan a bundle; see jar_request.h. */
#include "jobmanager/rest/jar_request.h"
#include "common/text/number.h"
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static void free_texts(struct vec *texts)
{
    for (size_t i = 0; i < texts->len; i++) {
        mem_free(vec_ptr(texts, i));
    }
    vec_fini(texts);
}

void jar_request_fini(struct jar_request *r)
{
    mem_free(r->entry);
    free_texts(&r->args);
    free_texts(&r->keys);
    free_texts(&r->values);
}

/* ---- arguments ------------------------------------------------------------------------------------ */

static void push_arg(struct vec *args, const char *text, size_t len)
{
    if (args->len < JAR_REQUEST_ARGS_MAX) {
        vec_push_ptr(args, mem_strndup(text, len));
    }
}

void jar_request_split_args(const char *text, struct vec *ret_args)
{
    while (*text != '\0') {
        while (isspace((unsigned char)*text)) {
            text++;
        }
        const char *end = *text == '"' || *text == '\'' ? strchr(text + 1, *text) : NULL;
        if (end != NULL) {
            push_arg(ret_args, text + 1, (size_t)(end - text - 1));
            text = end + 1;
            continue;
        }
        end = text;
        while (*end != '\0' && !isspace((unsigned char)*end)) {
            end++;
        }
        if (end > text) {
            push_arg(ret_args, text, (size_t)(end - text));
        }
        text = end;
    }
}

static void split_commas(const char *text, struct vec *args)
{
    struct slice rest = slice_cstr(text), piece;
    while (slice_next(&rest, ',', &piece)) {
        push_arg(args, piece.data, piece.len);
    }
}

/* programArgsList of the body: an array of scalars. */
static int parse_args_list(struct jar_request *r, const struct json_node *list, struct error *err)
{
    if (json_node_type(list) != JSON_TYPE_ARRAY) {
        return error_set(err, ERR_INVALID_ARGUMENT, "programArgsList must be an array of strings");
    }
    for (size_t i = 0; i < json_node_count(list); i++) {
        const struct json_node *item = json_node_at(list, i);
        if (json_node_type(item) != JSON_TYPE_STRING) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "programArgsList must be an array of strings; item %zu is of type %s",
                             i, json_type_name(json_node_type(item)));
        }
        struct slice text = json_node_as_string(item);
        push_arg(&r->args, text.data, text.len);
    }
    return 0;
}

/* ---- members -------------------------------------------------------------------------------------- */

struct source {
    const struct json_node *body;
    const char *(*query)(const void *arg, const char *name);
    const void *arg;
};

/* A text of the body; NULL: absent, null, empty. */
static int body_text(const struct source *s, const char *key, const char **ret, struct error *err)
{
    const char *text = NULL;
    const struct json_node *node = json_node_find(s->body, key);
    *ret = NULL;
    if (node == NULL || json_node_type(node) == JSON_TYPE_NULL) {
        return 0;
    }
    if (json_member_string(s->body, key, JSON_OPTIONAL, &text, err) < 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s must be a string", key);
    }
    *ret = text != NULL && text[0] != '\0' ? text : NULL;
    return 0;
}

static const char *query_text(const struct source *s, const char *name)
{
    const char *text = s->query(s->arg, name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static int parse_args(struct jar_request *r, const struct source *s, struct error *err)
{
    const struct json_node *list = json_node_find(s->body, "programArgsList");
    const char *text;
    if (list != NULL && json_node_type(list) != JSON_TYPE_NULL) {
        TRY(parse_args_list(r, list, err));
    }
    if (r->args.len > 0) {
        return 0;
    }
    TRY(body_text(s, "programArgs", &text, err));
    if (text != NULL) {
        jar_request_split_args(text, &r->args);
    } else if ((text = query_text(s, "programArg")) != NULL) {
        split_commas(text, &r->args);
    } else if ((text = query_text(s, "program-args")) != NULL ||
               (text = query_text(s, "programArgs")) != NULL) {
        jar_request_split_args(text, &r->args);
    }
    return 0;
}

static int check_parallelism(struct jar_request *r, int64_t value, struct error *err)
{
    if (value == -1) { /* Flink's "not set" */
        return 0;
    }
    if (value < 1 || value > INT32_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the parallelism must be a number from 1 on, and is %lld",
                         (long long)value);
    }
    r->parallelism = (int32_t)value;
    return 0;
}

static int parse_parallelism(struct jar_request *r, const struct source *s, struct error *err)
{
    const struct json_node *node = json_node_find(s->body, "parallelism");
    enum json_type type = node != NULL ? json_node_type(node) : JSON_TYPE_NULL;
    const char *text = NULL;
    int64_t value;
    if (type == JSON_TYPE_INT) {
        return check_parallelism(r, json_node_as_int(node), err);
    }
    if (type == JSON_TYPE_STRING) {
        text = json_node_as_string(node).data;
    } else if (type != JSON_TYPE_NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "parallelism must be a number");
    }
    if (text == NULL || text[0] == '\0') {
        text = query_text(s, "parallelism");
    }
    if (text == NULL) {
        return 0;
    }
    if (number_parse_int64(slice_trim(slice_cstr(text)), &value) < 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "parallelism must be a number, not '%.40s'",
                         text);
    }
    return check_parallelism(r, value, err);
}

static int parse_job_id(struct jar_request *r, const struct source *s, struct error *err)
{
    const char *text;
    TRY(body_text(s, "jobId", &text, err));
    if (text == NULL) {
        return 0;
    }
    if (strlen(text) != ID_HEX_LEN || !id_parse(text, &r->job_id)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "jobId must be 32 hexadecimal digits, not '%.40s'", text);
    }
    r->has_job_id = true;
    return 0;
}

static int put_configuration(struct jar_request *r, const struct json_member *m, struct error *err)
{
    char text[NUMBER_TEXT_MAX];
    switch (json_node_type(m->value)) {
    case JSON_TYPE_NULL:
        return 0;
    case JSON_TYPE_STRING:
        vec_push_ptr(&r->values, mem_strdup(json_node_as_string(m->value).data));
        break;
    case JSON_TYPE_BOOL:
        vec_push_ptr(&r->values, mem_strdup(json_node_as_bool(m->value) ? "true" : "false"));
        break;
    case JSON_TYPE_INT:
        number_format_int64(json_node_as_int(m->value), text);
        vec_push_ptr(&r->values, mem_strdup(text));
        break;
    case JSON_TYPE_DOUBLE:
        number_format_double(json_node_as_double(m->value), text);
        vec_push_ptr(&r->values, mem_strdup(text));
        break;
    default:
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "flinkConfiguration: the value of %.200s must be a string", m->key);
    }
    vec_push_ptr(&r->keys, mem_strdup(m->key));
    return 0;
}

static int parse_configuration(struct jar_request *r, const struct source *s, struct error *err)
{
    const struct json_node *map = json_node_find(s->body, "flinkConfiguration");
    if (map == NULL || json_node_type(map) == JSON_TYPE_NULL) {
        return 0;
    }
    if (json_node_type(map) != JSON_TYPE_OBJECT || json_node_count(map) > JAR_REQUEST_CONFIG_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "flinkConfiguration must be an object with at most %d keys",
                         JAR_REQUEST_CONFIG_MAX);
    }
    for (struct json_member m = {0}; json_node_next(map, &m);) {
        TRY(put_configuration(r, &m, err));
    }
    return 0;
}

/* ---- what to restore from ------------------------------------------------------------------------- */

static void put_pair(struct jar_request *r, const char *key, const char *value)
{
    vec_push_ptr(&r->keys, mem_strdup(key));
    vec_push_ptr(&r->values, mem_strdup(value));
}

/* A truth value, or the text of one.  -1: absent. */
static int read_flag(const struct source *s, const char *key, int *ret, struct error *err)
{
    const struct json_node *node = json_node_find(s->body, key);
    const char *text = NULL;

    *ret = -1;
    if (node != NULL && json_node_type(node) == JSON_TYPE_BOOL) {
        *ret = json_node_as_bool(node) ? 1 : 0;
        return 0;
    }
    TRY(body_text(s, key, &text, err));
    text = text != NULL ? text : query_text(s, key);
    if (text == NULL) {
        return 0;
    }
    if (strcasecmp(text, "true") != 0 && strcasecmp(text, "false") != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s must be true or false, not '%.40s'", key,
                         text);
    }
    *ret = strcasecmp(text, "true") == 0 ? 1 : 0;
    return 0;
}

/* The fields are configuration keys of the job; they win over flinkConfiguration. */
static int parse_savepoint(struct jar_request *r, const struct source *s, struct error *err)
{
    const char *path, *mode;
    int allow;

    TRY(body_text(s, "savepointPath", &path, err));
    if (path == NULL && json_node_find(s->body, "savepointPath") == NULL) {
        path = query_text(s, "savepointPath");
    }
    if (path != NULL) {
        put_pair(r, "execution.state-recovery.path", path);
    }
    TRY(read_flag(s, "allowNonRestoredState", &allow, err));
    if (allow >= 0) {
        put_pair(r, "execution.state-recovery.ignore-unclaimed-state",
                 allow == 1 ? "true" : "false");
    }
    TRY(body_text(s, "claimMode", &mode, err));
    if (mode == NULL) {
        TRY(body_text(s, "restoreMode", &mode, err));
    }
    if (mode != NULL && strcasecmp(mode, "CLAIM") != 0 && strcasecmp(mode, "NO_CLAIM") != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "claimMode must be CLAIM or NO_CLAIM, not '%.40s'", mode);
    }
    if (mode != NULL) {
        put_pair(r, "execution.state-recovery.claim-mode", mode);
    }
    return 0;
}

static int parse_all(struct jar_request *r, const struct source *s, struct error *err)
{
    const char *entry;
    TRY(body_text(s, "entryClass", &entry, err));
    if (entry == NULL) {
        entry = query_text(s, "entry-class");
    }
    r->entry = mem_strdup(entry);
    TRY(parse_args(r, s, err));
    TRY(parse_parallelism(r, s, err));
    TRY(parse_job_id(r, s, err));
    TRY(parse_configuration(r, s, err));
    return parse_savepoint(r, s, err);
}

int jar_request_parse(struct jar_request *r, const struct json_node *body,
                      const char *(*query)(const void *arg, const char *name), const void *arg,
                      struct error *err)
{
    *r = (struct jar_request){0};
    vec_init(&r->args, sizeof(char *));
    vec_init(&r->keys, sizeof(char *));
    vec_init(&r->values, sizeof(char *));
    int rc = parse_all(r, &(struct source){body, query, arg}, err);
    if (rc < 0) {
        jar_request_fini(r);
    }
    return rc;
}
