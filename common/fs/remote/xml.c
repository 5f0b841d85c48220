/* Documents by expat, loaded on first use (xml.h).  Thread: any. */
#include "common/fs/remote/xml.h"

#include "common/plugin/library.h"

#include <expat.h>

struct expat {
    XML_Parser (*ParserCreate)(const XML_Char *encoding);
    void (*ParserFree)(XML_Parser parser);
    void (*SetUserData)(XML_Parser parser, void *data);
    void (*SetElementHandler)(XML_Parser parser, XML_StartElementHandler start,
                              XML_EndElementHandler end);
    void (*SetCharacterDataHandler)(XML_Parser parser, XML_CharacterDataHandler handler);
    void (*SetStartDoctypeDeclHandler)(XML_Parser parser, XML_StartDoctypeDeclHandler handler);
    enum XML_Status (*Parse)(XML_Parser parser, const char *text, int len, int is_final);
    enum XML_Status (*StopParser)(XML_Parser parser, XML_Bool resumable);
    enum XML_Error (*GetErrorCode)(XML_Parser parser);
    const XML_LChar *(*ErrorString)(enum XML_Error code);
};

#define ROW(name) LIBRARY_SYMBOL(struct expat, "XML_", name)
static const struct library_symbol symbols[] = {
    ROW(ParserCreate),
    ROW(ParserFree),
    ROW(SetUserData),
    ROW(SetElementHandler),
    ROW(SetCharacterDataHandler),
    ROW(SetStartDoctypeDeclHandler),
    ROW(Parse),
    ROW(StopParser),
    ROW(GetErrorCode),
    ROW(ErrorString),
};
LIBRARY_HAS_ALL(symbols, struct expat);

static struct expat expat;
static struct library library = {
    .file = "libexpat.so.1",
    .needed_by = "reading XML: answers of S3, files of Hadoop",
    .remedy = "install it (Debian: apt-get install libexpat1)",
    .symbols = symbols,
    .n_symbols = ARRAY_LEN(symbols),
    .functions = &expat,
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

/* ---- reading ------------------------------------------------------------------------------------------- */

struct reading {
    XML_Parser parser;
    xml_on_element *on_element;
    void *arg;
    struct error *err;
    int rc;
    char path[XML_PATH_MAX];
    size_t path_len;
    struct str text[XML_DEPTH_MAX]; /* of the elements that are open; Owns */
    uint32_t depth;
};

static void stop(struct reading *r, int rc)
{
    r->rc = r->rc < 0 ? r->rc : rc;
    expat.StopParser(r->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *r = arg;
    size_t len = strlen(name);
    if (r->depth == XML_DEPTH_MAX || r->path_len + len + 2 > sizeof(r->path)) {
        stop(r, error_set(r->err, ERR_CORRUPT, "an XML document with elements too deep in others"));
        return;
    }
    if (r->depth > 0) {
        r->path[r->path_len++] = '/';
    }
    memcpy(r->path + r->path_len, name, len + 1);
    r->path_len += len;
    str_clear(&r->text[r->depth++]);
}

static void on_end(void *arg, const XML_Char *name)
{
    struct reading *r = arg;
    if (r->rc == 0) {
        int rc = r->on_element(r->arg, r->path, str_slice(&r->text[r->depth - 1]), r->err);
        if (rc < 0) {
            stop(r, rc);
            return;
        }
    }
    r->depth--;
    r->path_len -= strlen(name) + (r->depth > 0);
    r->path[r->path_len] = '\0';
}

static void on_text(void *arg, const XML_Char *text, int len)
{
    struct reading *r = arg;
    if (r->depth > 0) {
        str_append(&r->text[r->depth - 1], text, (size_t)len);
    }
}

/* Nobody who means well sends entities. */
static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
                       const XML_Char *public_id, int has_subset)
{
    struct reading *r = arg;
    stop(r, error_set(r->err, ERR_CORRUPT, "an XML document with a DOCTYPE"));
}

int xml_read(struct slice document, xml_on_element *on_element, void *arg, struct error *err)
{
    struct reading r = {.on_element = on_element, .arg = arg, .err = err};
    TRY(library_load(&library, err));
    if (document.len > INT32_MAX) {
        return error_set(err, ERR_TOO_LARGE, "an XML document of %zu bytes", document.len);
    }
    r.parser = expat.ParserCreate(NULL);
    expat.SetUserData(r.parser, &r);
    expat.SetElementHandler(r.parser, on_start, on_end);
    expat.SetCharacterDataHandler(r.parser, on_text);
    expat.SetStartDoctypeDeclHandler(r.parser, on_doctype);
    enum XML_Status status = expat.Parse(r.parser, document.data, (int)document.len, 1);
    if (status != XML_STATUS_OK && r.rc == 0) {
        r.rc = error_set(err, ERR_CORRUPT, "no XML document: %s",
                         expat.ErrorString(expat.GetErrorCode(r.parser)));
    }
    expat.ParserFree(r.parser);
    for (uint32_t i = 0; i < XML_DEPTH_MAX; i++) {
        str_fini(&r.text[i]);
    }
    return r.rc;
}

struct wanted {
    const char *path;
    struct str *text;
    bool found;
};

static int on_wanted(void *arg, const char *path, struct slice text, struct error *err)
{
    struct wanted *w = arg;
    if (!w->found && strcmp(path, w->path) == 0) {
        str_clear(w->text);
        str_append_slice(w->text, text);
        w->found = true;
    }
    return 0;
}

bool xml_find(struct slice document, const char *path, struct str *ret_text)
{
    struct wanted w = {.path = path, .text = ret_text};
    return xml_read(document, on_wanted, &w, NULL) == 0 && w.found;
}

void xml_escape(struct str *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '&' || c == '<' || c == '>') {
            str_append_cstr(out, c == '&' ? "&amp;" : c == '<' ? "&lt;" : "&gt;");
        } else {
            str_append_char(out, c);
        }
    }
}
