/* Where keys come from (credentials.h). */
#include "common/fs/s3/credentials.h"

#include "common/base/log.h"
#include "common/fs/fs.h"
#include "common/fs/remote/xml.h"
#include "common/fs/s3/client.h"
#include "common/net/client/http_client.h"
#include "common/text/json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FILE_MAX = 64 * 1024, ASK_TRIES = 3, ASK_PAUSE_MS = 100 };

static const char topic[] = "flinc.fs.s3";
static const char metadata_address[] = "http://169.254.169.254";

struct s3_credentials {
    struct s3_credentials_options options; /* strings Owned */
    pthread_mutex_t lock;
    struct s3_keys *keys;  /* the last ones; Owns a ref; guarded by lock, as what follows */
    int64_t not_before_ms; /* they are renewed */
};

/* ---- keys ------------------------------------------------------------------------------------------------- */

static struct s3_keys *keys_new(const char *source, const char *access_key, const char *secret_key,
                                const char *token)
{
    struct s3_keys *k = MEM_NEW(struct s3_keys);
    atomic_init(&k->refs, 1);
    k->access_key = mem_strdup(access_key);
    k->secret_key = mem_strdup(secret_key);
    k->session_token = mem_strdup(token != NULL ? token : "");
    k->expires_ms = INT64_MAX;
    k->source = source;
    return k;
}

struct s3_keys *s3_keys_unref(struct s3_keys *k)
{
    if (k != NULL && atomic_fetch_sub(&k->refs, 1) == 1) {
        mem_free(k->access_key);
        mem_free(k->secret_key);
        mem_free(k->session_token);
        mem_free(k);
    }
    return NULL;
}

/* ---- places: each gives keys, NULL when it has none, or an error ----------------------------------------------- */

typedef int find_keys(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err);

static bool has_text(const char *s)
{
    return s != NULL && s[0] != '\0';
}

static int of_configuration(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    const struct s3_credentials_options *o = &c->options;
    if (o->is_anonymous) {
        *ret_keys = keys_new("nobody", "", "", NULL);
        (*ret_keys)->is_anonymous = true;
    } else if (has_text(o->access_key) != has_text(o->secret_key)) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "s3.access-key and s3.secret-key belong together: only %s is set",
                         has_text(o->access_key) ? "the first" : "the second");
    } else if (has_text(o->access_key)) {
        *ret_keys = keys_new("the configuration", o->access_key, o->secret_key, o->session_token);
    }
    return 0;
}

static int of_environment(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    const char *access_key = getenv("AWS_ACCESS_KEY_ID"),
               *secret_key = getenv("AWS_SECRET_ACCESS_KEY");
    if (has_text(access_key) && has_text(secret_key)) {
        *ret_keys =
            keys_new("the environment", access_key, secret_key, getenv("AWS_SESSION_TOKEN"));
    }
    return 0;
}

static int read_file(const char *path, struct str *ret_text, struct error *err)
{
    struct fs_input *in;
    TRY(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, err));
    size_t size = (size_t)MIN(fs_input_size(in), (uint64_t)FILE_MAX), n = 0;
    char *bytes = mem_alloc(size + 1);
    int rc = fs_input_read_at(in, 0, bytes, size, &n, err);
    str_append(ret_text, bytes, rc == 0 ? n : 0);
    mem_free(bytes);
    fs_input_close(in);
    return rc;
}

bool s3_profile_read(struct slice text, const char *profile, struct str *ret_access_key,
                     struct str *ret_secret_key, struct str *ret_token)
{
    struct slice line;
    bool is_it = false;
    while (slice_next(&text, '\n', &line)) {
        line = slice_trim(line);
        if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';') {
            continue;
        }
        if (line.data[0] == '[') {
            struct slice name =
                slice_trim(slice_make(line.data + 1, line.len - 1 - slice_ends_with(line, "]")));
            is_it = slice_eq_cstr(name, profile);
            continue;
        }
        struct slice key;
        if (!is_it || !slice_next(&line, '=', &key)) {
            continue;
        }
        key = slice_trim(key);
        struct str *to = slice_eq_cstr(key, "aws_access_key_id")       ? ret_access_key
                         : slice_eq_cstr(key, "aws_secret_access_key") ? ret_secret_key
                         : slice_eq_cstr(key, "aws_session_token")     ? ret_token
                                                                       : NULL;
        if (to != NULL) {
            str_clear(to);
            str_append_slice(to, slice_trim(line));
        }
    }
    return ret_access_key->len > 0 && ret_secret_key->len > 0;
}

static int of_profile(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    const char *path = getenv("AWS_SHARED_CREDENTIALS_FILE"), *profile = getenv("AWS_PROFILE");
    const char *home = getenv("HOME");
    STR_AUTO standard = STR_INIT;
    STR_AUTO text = STR_INIT;
    STR_AUTO access_key = STR_INIT;
    STR_AUTO secret_key = STR_INIT;
    STR_AUTO token = STR_INIT;
    str_printf(&standard, "%s/.aws/credentials", home != NULL ? home : "");
    path = has_text(path) ? path : str_cstr(&standard);
    if (path[0] != '/' || read_file(path, &text, NULL) < 0) {
        return 0;
    }
    if (s3_profile_read(str_slice(&text), has_text(profile) ? profile : "default", &access_key,
                        &secret_key, &token)) {
        *ret_keys =
            keys_new("a profile", str_cstr(&access_key), str_cstr(&secret_key), str_cstr(&token));
    }
    return 0;
}

static int64_t end_of(const char *text)
{
    int64_t ms = text != NULL ? s3_time_ms(text) : INT64_MIN;
    return ms != INT64_MIN ? ms : INT64_MAX;
}

/* ---- servers that give keys ------------------------------------------------------------------------------------ */

struct question {
    const char *method, *url; /* no secrets in it: it is named when it fails */
    const char *header;       /* "name: value"; NULL: none */
    struct slice form;        /* of a POST */
    bool is_asked_once;       /* it may well not be there */
};

/* What a server says of its refusal: AWS's code and words, as XML; else nothing. */
static void say_refusal(struct slice answer, struct str *ret_text)
{
    STR_AUTO code = STR_INIT;
    STR_AUTO message = STR_INIT;
    if (answer.len > 0 && xml_find(answer, "ErrorResponse/Error/Code", &code)) {
        (void)xml_find(answer, "ErrorResponse/Error/Message", &message);
        str_printf(ret_text, " %s: %.300s", str_cstr(&code), str_cstr(&message));
    }
}

static int ask_once(struct http_client *client, const struct question *q, struct str *ret_answer,
                    struct error *err)
{
    struct http_exchange x = {.method = q->method,
                              .url = q->url,
                              .body = q->form,
                              .content_type = "application/x-www-form-urlencoded"};
    STR_AUTO why = STR_INIT;
    int rc = 0;
    TRY(http_client_run(client, &x, err));
    str_clear(ret_answer);
    if (x.status == 200) {
        str_append_slice(ret_answer, str_slice(&x.answer));
    } else {
        say_refusal(str_slice(&x.answer), &why);
        rc = error_set(err,
                       x.status == 404                      ? ERR_NOT_FOUND
                       : x.status == 405                    ? ERR_UNSUPPORTED
                       : x.status >= 500 || x.status == 429 ? ERR_UNAVAILABLE
                                                            : ERR_PERMISSION,
                       "%s answered %d%s", q->url, x.status, str_cstr(&why));
    }
    str_fini(&x.answer);
    return rc;
}

/* A few times, when it may answer later. */
static int ask(const struct s3_credentials *c, const struct question *q, struct str *ret_answer,
               struct error *err)
{
    const char *headers[] = {q->header, NULL};
    struct http_client *client;
    int64_t timeout_ms = c->options.metadata_timeout_ms;
    TRY(http_client_new(&(struct http_client_options){.connect_timeout_ms = timeout_ms,
                                                      .timeout_ms = 5 * timeout_ms,
                                                      .headers = headers},
                        &client, err));
    int rc = 0;
    for (int i = 1;; i++) {
        rc = ask_once(client, q, ret_answer, err);
        if ((rc != ERR_UNAVAILABLE && rc != ERR_TIMEOUT) || q->is_asked_once || i == ASK_TRIES) {
            break;
        }
        const struct timespec pause = {.tv_nsec = (long)ASK_PAUSE_MS * 1000000 * i};
        nanosleep(&pause, NULL);
    }
    http_client_free(client);
    return rc;
}

static int keys_of_xml(struct slice answer, const char *url, const char *role,
                       struct s3_keys **ret_keys, struct error *err)
{
    static const char result[] =
        "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/";
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "SessionToken",
                                        "Expiration"};
    struct str values[4] = {STR_INIT, STR_INIT, STR_INIT, STR_INIT};
    bool complete = true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        STR_AUTO path = STR_INIT;
        str_printf(&path, "%s%s", result, names[i]);
        complete = xml_find(answer, str_cstr(&path), &values[i]) && complete;
    }
    if (complete) {
        *ret_keys = keys_new("a web identity", str_cstr(&values[0]), str_cstr(&values[1]),
                             str_cstr(&values[2]));
        (*ret_keys)->expires_ms = end_of(str_cstr(&values[3]));
    }
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        str_fini(&values[i]);
    }
    return complete ? 0 : error_set(err, ERR_CORRUPT, "%s gave no keys for the role %s", url, role);
}

static int of_web_identity(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    const char *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), *role = getenv("AWS_ROLE_ARN");
    const char *session = getenv("AWS_ROLE_SESSION_NAME"),
               *endpoint = getenv("AWS_ENDPOINT_URL_STS");
    STR_AUTO text = STR_INIT;
    STR_AUTO token = STR_INIT;
    STR_AUTO url = STR_INIT;
    STR_AUTO form = STR_INIT;
    STR_AUTO answer = STR_INIT;
    if (!has_text(file) || !has_text(role)) {
        return 0;
    }
    TRY(read_file(file, &text, err));
    str_append_slice(&token, slice_trim(str_slice(&text)));
    const struct sigv4_pair fields[] = {
        {"Action", "AssumeRoleWithWebIdentity"},
        {"RoleArn", role},
        {"RoleSessionName", has_text(session) ? session : "flinc"},
        {"Version", "2011-06-15"},
        {"WebIdentityToken", str_cstr(&token)},
    };
    if (has_text(endpoint)) {
        str_printf(&url, "%s/", endpoint);
    } else {
        str_printf(&url, "https://sts.%s.amazonaws.com/", c->options.region);
    }
    sigv4_append_query(&form, fields, ARRAY_LEN(fields));
    const struct question q = {.method = "POST", .url = str_cstr(&url), .form = str_slice(&form)};
    TRY(ask(c, &q, &answer, err));
    return keys_of_xml(str_slice(&answer), q.url, role, ret_keys, err);
}

/* What the metadata services of containers and instances answer. */
static int keys_of_json(const char *source, const char *url, struct slice text,
                        struct s3_keys **ret_keys, struct error *err)
{
    struct error why = ERROR_INIT;
    JSON_AUTO root = NULL;
    const char *access_key = NULL, *secret_key = NULL, *token = NULL, *expires = NULL;
    int rc = json_parse(text, NULL, &root, &why);
    if (rc == 0 && json_node_type(root) != JSON_TYPE_OBJECT) {
        rc = error_set(&why, ERR_CORRUPT, "it is no object");
    }
    rc = rc == 0 ? json_member_string(root, "AccessKeyId", JSON_REQUIRED, &access_key, &why) : rc;
    rc = rc == 0 ? json_member_string(root, "SecretAccessKey", JSON_REQUIRED, &secret_key, &why)
                 : rc;
    rc = rc == 0 ? json_member_string(root, "Token", JSON_OPTIONAL, &token, &why) : rc;
    rc = rc == 0 ? json_member_string(root, "Expiration", JSON_OPTIONAL, &expires, &why) : rc;
    if (rc < 0) {
        return error_set(err, ERR_CORRUPT, "what %s answered has no keys: %s", url, why.message);
    }
    *ret_keys = keys_new(source, access_key, secret_key, token);
    (*ret_keys)->expires_ms = end_of(expires);
    return 0;
}

static int of_container(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    const char *token_file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    STR_AUTO url = STR_INIT;
    STR_AUTO header = STR_INIT;
    STR_AUTO text = STR_INIT;
    STR_AUTO answer = STR_INIT;
    if (!has_text(relative) && !has_text(full)) {
        return 0;
    }
    str_printf(&url, "%s%s", has_text(relative) ? "http://169.254.170.2" : "",
               has_text(relative) ? relative : full);
    if (has_text(token_file)) {
        TRY(read_file(token_file, &text, err));
        struct slice trimmed = slice_trim(str_slice(&text));
        str_printf(&header, "Authorization: %.*s", (int)trimmed.len, trimmed.data);
    } else if (has_text(token)) {
        str_printf(&header, "Authorization: %s", token);
    }
    const struct question q = {.method = "GET",
                               .url = str_cstr(&url),
                               .header = header.len > 0 ? str_cstr(&header) : NULL};
    TRY(ask(c, &q, &answer, err));
    return keys_of_json("the container's service", q.url, str_slice(&answer), ret_keys, err);
}

/* "name: token" for version 2 of the service; empty: it speaks version 1 only.  ERR_NOT_FOUND: whoever is no such
 * instance has no such address, and that is no error unless it was told one. */
static int instance_token(struct s3_credentials *c, const char *endpoint, bool is_told,
                          struct str *ret_header, struct error *err)
{
    STR_AUTO url = STR_INIT;
    STR_AUTO token = STR_INIT;
    str_printf(&url, "%s/latest/api/token", endpoint);
    const struct question q = {.method = "PUT",
                               .url = str_cstr(&url),
                               .header = "X-aws-ec2-metadata-token-ttl-seconds: 21600",
                               .is_asked_once = !is_told};
    int rc = ask(c, &q, &token, err);
    if (rc == 0) {
        struct slice trimmed = slice_trim(str_slice(&token));
        str_printf(ret_header, "X-aws-ec2-metadata-token: %.*s", (int)trimmed.len, trimmed.data);
        return 0;
    }
    if (rc == ERR_NOT_FOUND || rc == ERR_UNSUPPORTED) {
        return 0;
    }
    return is_told ? rc : ERR_NOT_FOUND;
}

static int of_instance(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    static const char path[] = "/latest/meta-data/iam/security-credentials/";
    const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
    const char *told = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *endpoint = has_text(told) ? told : metadata_address;
    STR_AUTO url = STR_INIT;
    STR_AUTO header = STR_INIT;
    STR_AUTO role = STR_INIT;
    STR_AUTO answer = STR_INIT;
    if (has_text(disabled) && strcasecmp(disabled, "true") == 0) {
        return 0;
    }
    int rc = instance_token(c, endpoint, has_text(told), &header, err);
    if (rc < 0) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    str_printf(&url, "%s%s", endpoint, path);
    struct question q = {.method = "GET",
                         .url = str_cstr(&url),
                         .header = header.len > 0 ? str_cstr(&header) : NULL};
    rc = ask(c, &q, &role, err);
    if (rc < 0) {
        return rc == ERR_NOT_FOUND ? 0 : rc; /* it has no role */
    }
    struct slice name = slice_trim(str_slice(&role));
    str_clear(&url);
    str_printf(&url, "%s%s", endpoint, path);
    sigv4_escape(&url, name, true);
    q.url = str_cstr(&url);
    TRY(ask(c, &q, &answer, err));
    return keys_of_json("the instance's metadata service", q.url, str_slice(&answer), ret_keys,
                        err);
}

/* ---- the chain ---------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    find_keys *find;
} places[] = {
    {"the configuration (s3.access-key, s3.secret-key)", of_configuration},
    {"the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)", of_environment},
    {"a profile (~/.aws/credentials)", of_profile},
    {"a web identity (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN)", of_web_identity},
    {"the container's service (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)", of_container},
    {"the instance's metadata service", of_instance},
};

static int find(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    STR_AUTO list = STR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct s3_keys *keys = NULL;
        struct error why = ERROR_INIT;
        int rc = places[i].find(c, &keys, &why);
        if (rc < 0) {
            return error_set(err, rc, "looking for keys for S3 in %s: %s", places[i].name,
                             why.message);
        }
        if (keys != NULL) {
            LOG_DEBUG(topic, "keys for S3 are those of %s", keys->source);
            *ret_keys = keys;
            return 0;
        }
        str_printf(&list, "%s%s", i > 0 ? ", " : "", places[i].name);
    }
    return error_set(err, ERR_PERMISSION, "there are no keys for S3; looked at: %s",
                     str_cstr(&list));
}

/* Those that there are go on for a while when new ones cannot be had. */
static int renew(struct s3_credentials *c, int64_t now_ms, struct error *err)
{
    struct s3_keys *keys = NULL;
    struct error why = ERROR_INIT;
    int rc = find(c, &keys, &why);
    c->not_before_ms = now_ms + S3_KEYS_PAUSE_MS;
    if (rc == 0) {
        s3_keys_unref(c->keys);
        c->keys = keys;
        return 0;
    }
    if (c->keys != NULL && c->keys->expires_ms > now_ms) {
        LOG_WARN(topic, "keys for S3 could not be renewed, the old ones are good for %lld s: %s",
                 (long long)((c->keys->expires_ms - now_ms) / 1000), why.message);
        return 0;
    }
    if (err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

int s3_credentials_get(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    pthread_mutex_lock(&c->lock);
    int64_t now_ms = clock_now_ms(c->options.clock);
    bool has_none = c->keys == NULL || c->keys->expires_ms <= now_ms;
    bool is_due =
        !has_none && c->keys->expires_ms - S3_KEYS_EARLY_MS < now_ms && now_ms >= c->not_before_ms;
    int rc = has_none || is_due ? renew(c, now_ms, err) : 0;
    if (rc == 0) {
        atomic_fetch_add(&c->keys->refs, 1);
        *ret_keys = c->keys;
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

struct s3_credentials *s3_credentials_new(const struct s3_credentials_options *options)
{
    struct s3_credentials *c = MEM_NEW(struct s3_credentials);
    c->options = *options;
    c->options.access_key = mem_strdup(options->access_key);
    c->options.secret_key = mem_strdup(options->secret_key);
    c->options.session_token = mem_strdup(options->session_token);
    c->options.region = mem_strdup(options->region);
    if (options->metadata_timeout_ms == 0) {
        c->options.metadata_timeout_ms = S3_METADATA_TIMEOUT_MS;
    }
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

struct s3_credentials *s3_credentials_free(struct s3_credentials *c)
{
    if (c != NULL) {
        s3_keys_unref(c->keys);
        mem_free((char *)(uintptr_t)c->options.access_key);
        mem_free((char *)(uintptr_t)c->options.secret_key);
        mem_free((char *)(uintptr_t)c->options.session_token);
        mem_free((char *)(uintptr_t)c->options.region);
        pthread_mutex_destroy(&c->lock);
        mem_free(c);
    }
    return NULL;
}
