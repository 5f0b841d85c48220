/* Where keys come from (credentials.h). */
#include "common/fs/s3/credentials.h"

#include "common/base/log.h"
#include "common/fs/fs.h"
#include "common/fs/s3/client.h"
#include "common/fs/s3/xml.h"
#include "common/net/client/http_client.h"
#include "common/text/json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 64 * 1024 };

static const char topic[] = "flinc.fs.s3";
static const char metadata_address[] = "http://169.254.169.254";

struct s3_credentials {
    struct s3_credentials_options options; /* strings Owned */
    pthread_mutex_t lock;
    struct s3_keys *keys; /* the last ones; Owns a ref; guarded by lock, as what follows */
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

/* An answer of a server that is asked once. */
static int ask(const char *method, const char *url, const char *header, struct str *ret_answer,
               struct error *err)
{
    const char *headers[] = {header, NULL};
    struct http_client *client;
    struct http_exchange x = {.method = method, .url = url};
    TRY(http_client_new(&(struct http_client_options){.connect_timeout_ms = S3_METADATA_TIMEOUT_MS,
                                                      .timeout_ms = 5 * S3_METADATA_TIMEOUT_MS,
                                                      .headers = headers},
                        &client, err));
    int rc = http_client_run(client, &x, err);
    http_client_free(client);
    TRY(rc);
    if (x.status != 200) {
        rc = error_set(err, x.status == 404 ? ERR_NOT_FOUND : ERR_PERMISSION, "%s answered %d", url,
                       x.status);
    } else {
        str_append_slice(ret_answer, str_slice(&x.answer));
    }
    str_fini(&x.answer);
    return rc;
}

static int of_web_identity(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    const char *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), *role = getenv("AWS_ROLE_ARN");
    const char *session = getenv("AWS_ROLE_SESSION_NAME"),
               *endpoint = getenv("AWS_ENDPOINT_URL_STS");
    static const char result[] =
        "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/";
    STR_AUTO token = STR_INIT;
    STR_AUTO url = STR_INIT;
    STR_AUTO answer = STR_INIT;
    struct str values[4] = {STR_INIT, STR_INIT, STR_INIT, STR_INIT};
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "SessionToken",
                                        "Expiration"};
    if (!has_text(file) || !has_text(role)) {
        return 0;
    }
    TRY(read_file(file, &token, err));
    const struct sigv4_pair query[] = {
        {"Action", "AssumeRoleWithWebIdentity"},
        {"RoleArn", role},
        {"RoleSessionName", has_text(session) ? session : "flinc"},
        {"Version", "2011-06-15"},
        {"WebIdentityToken", str_cstr(&token)},
    };
    if (has_text(endpoint)) {
        str_printf(&url, "%s/?", endpoint);
    } else {
        str_printf(&url, "https://sts.%s.amazonaws.com/?", c->options.region);
    }
    sigv4_append_query(&url, query, ARRAY_LEN(query));
    TRY_CTX(err, ask("GET", str_cstr(&url), NULL, &answer, err),
            "asking for the keys of the role %s", role);
    bool complete = true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        STR_AUTO path = STR_INIT;
        str_printf(&path, "%s%s", result, names[i]);
        complete = xml_find(str_slice(&answer), str_cstr(&path), &values[i]) && complete;
    }
    if (complete) {
        *ret_keys = keys_new("a web identity", str_cstr(&values[0]), str_cstr(&values[1]),
                             str_cstr(&values[2]));
        (*ret_keys)->expires_ms = end_of(str_cstr(&values[3]));
    }
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        str_fini(&values[i]);
    }
    return complete ? 0
                    : error_set(err, ERR_CORRUPT, "the token service gave no keys for the role %s",
                                role);
}

/* What the metadata services of containers and instances answer. */
static int keys_of_json(const char *source, struct slice text, struct s3_keys **ret_keys,
                        struct error *err)
{
    JSON_AUTO root = NULL;
    const char *access_key = NULL, *secret_key = NULL, *token = NULL, *expires = NULL;
    int rc = json_parse(text, NULL, &root, err);
    if (rc == 0 && json_node_type(root) != JSON_TYPE_OBJECT) {
        rc = error_set(err, ERR_CORRUPT, "no object");
    }
    rc = rc == 0 ? json_member_string(root, "AccessKeyId", JSON_REQUIRED, &access_key, err) : rc;
    rc =
        rc == 0 ? json_member_string(root, "SecretAccessKey", JSON_REQUIRED, &secret_key, err) : rc;
    rc = rc == 0 ? json_member_string(root, "Token", JSON_OPTIONAL, &token, err) : rc;
    rc = rc == 0 ? json_member_string(root, "Expiration", JSON_OPTIONAL, &expires, err) : rc;
    if (rc < 0) {
        error_context(err, "reading the keys that %s gave", source);
        return rc;
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
    TRY(ask("GET", str_cstr(&url), header.len > 0 ? str_cstr(&header) : NULL, &answer, err));
    return keys_of_json("the container's service", str_slice(&answer), ret_keys, err);
}

/* Version 2: with a token.  Whoever is no such instance has no such address: that is no error. */
static int of_instance(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    static const char path[] = "/latest/meta-data/iam/security-credentials/";
    const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
    const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    STR_AUTO url = STR_INIT;
    STR_AUTO token = STR_INIT;
    STR_AUTO header = STR_INIT;
    STR_AUTO role = STR_INIT;
    STR_AUTO answer = STR_INIT;
    if (has_text(disabled) && strcasecmp(disabled, "true") == 0) {
        return 0;
    }
    endpoint = has_text(endpoint) ? endpoint : metadata_address;
    str_printf(&url, "%s/latest/api/token", endpoint);
    if (ask("PUT", str_cstr(&url), "X-aws-ec2-metadata-token-ttl-seconds: 21600", &token, NULL) <
        0) {
        return 0;
    }
    str_printf(&header, "X-aws-ec2-metadata-token: %s", str_cstr(&token));
    str_clear(&url);
    str_printf(&url, "%s%s", endpoint, path);
    int rc = ask("GET", str_cstr(&url), str_cstr(&header), &role, err);
    if (rc < 0) {
        return rc == ERR_NOT_FOUND ? 0 : rc; /* it has no role */
    }
    struct slice name = slice_trim(str_slice(&role));
    str_clear(&url);
    str_printf(&url, "%s%s%.*s", endpoint, path, (int)name.len, name.data);
    TRY(ask("GET", str_cstr(&url), str_cstr(&header), &answer, err));
    return keys_of_json("the instance's metadata service", str_slice(&answer), ret_keys, err);
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
        TRY_CTX(err, places[i].find(c, &keys, err), "looking for keys for S3 in %s",
                places[i].name);
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

int s3_credentials_get(struct s3_credentials *c, struct s3_keys **ret_keys, struct error *err)
{
    int rc = 0;
    pthread_mutex_lock(&c->lock);
    int64_t now_ms = clock_now_ms(c->options.clock);
    if (c->keys == NULL || c->keys->expires_ms - S3_KEYS_EARLY_MS < now_ms) {
        struct s3_keys *keys = NULL;
        rc = find(c, &keys, err);
        if (rc == 0) {
            s3_keys_unref(c->keys);
            c->keys = keys;
        } else if (c->keys != NULL && c->keys->expires_ms > now_ms) {
            rc = 0; /* the old ones are good for a while */
        }
    }
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
