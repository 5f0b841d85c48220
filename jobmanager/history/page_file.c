/* Writing and looking into local copies of archives; see page_file.h. */
#include "jobmanager/history/page_file.h"

#include "common/base/vec.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGE_NAME_MAX = 1024 };

struct page_entry {
    uint64_t offset, size;
    uint32_t name_at, name_len; /* in the paths */
    uint32_t number;            /* in the order of the archive */
    uint32_t reserved;
};

struct page_footer {
    uint64_t names_at, index_at;
    uint64_t n;
};

struct page_writer {
    FILE *file;
    char *path; /* Owns */
    uint64_t offset;
    struct str names;
    struct vec entries; /* of struct page_entry */
};

static int write_bytes(struct page_writer *w, const void *data, size_t size, struct error *err)
{
    if (size > 0 && fwrite(data, 1, size, w->file) != size) {
        return error_set_errno(err, errno, "writing %s (historyserver.web.tmpdir)", w->path);
    }
    w->offset += size;
    return 0;
}

int page_writer_open(const char *path, struct page_writer **ret, struct error *err)
{
    FILE *file = fopen(path, "wbe");
    if (file == NULL) {
        return error_set_errno(err, errno, "making %s (historyserver.web.tmpdir)", path);
    }
    struct page_writer *w = MEM_NEW(struct page_writer);
    w->file = file;
    w->path = mem_strdup(path);
    vec_init(&w->entries, sizeof(struct page_entry));
    *ret = w;
    return 0;
}

int page_writer_add(struct page_writer *w, struct slice page, struct slice answer,
                    struct error *err)
{
    if (page.len >= PAGE_NAME_MAX || w->names.len + page.len > UINT32_MAX) {
        return error_set(err, ERR_TOO_LARGE, "too many answers, or too long a path");
    }
    struct page_entry entry = {
        .offset = w->offset,
        .size = answer.len,
        .name_at = (uint32_t)w->names.len,
        .name_len = (uint32_t)page.len,
        .number = (uint32_t)w->entries.len,
    };
    TRY(write_bytes(w, answer.data, answer.len, err));
    str_append_slice(&w->names, page);
    *VEC_PUSH(&w->entries, struct page_entry) = entry;
    return 0;
}

struct page_writer *page_writer_abandon(struct page_writer *w)
{
    if (w != NULL) {
        if (w->file != NULL) {
            (void)fclose(w->file);
        }
        str_fini(&w->names);
        vec_fini(&w->entries);
        mem_free(w->path);
        mem_free(w);
    }
    return NULL;
}

static int compare(const void *a, const void *b, void *names)
{
    const struct page_entry *x = a, *y = b;
    const char *text = names;
    int order = slice_compare(slice_make(text + x->name_at, x->name_len),
                              slice_make(text + y->name_at, y->name_len));
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

static int write_index(struct page_writer *w, struct error *err)
{
    struct page_footer footer = {.names_at = w->offset, .n = w->entries.len};
    if (w->entries.len > 0) {
        qsort_r(w->entries.data, w->entries.len, sizeof(struct page_entry), compare,
                (void *)str_cstr(&w->names));
    }
    TRY(write_bytes(w, w->names.data, w->names.len, err));
    footer.index_at = w->offset;
    TRY(write_bytes(w, w->entries.data, w->entries.len * sizeof(struct page_entry), err));
    TRY(write_bytes(w, &footer, sizeof(footer), err));
    FILE *file = STEAL(w->file);
    if (fclose(file) != 0) {
        return error_set_errno(err, errno, "writing %s (historyserver.web.tmpdir)", w->path);
    }
    return 0;
}

int page_writer_close(struct page_writer **w, struct error *err)
{
    int rc = write_index(*w, err);
    *w = page_writer_abandon(*w);
    return rc;
}

/* ---- look-ups ------------------------------------------------------------------------------------- */

static int read_bytes(int fd, uint64_t offset, void *buf, size_t size, struct error *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, (char *)buf + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? error_set_errno(err, errno, "reading the copy of an archive")
                         : error_set(err, ERR_CORRUPT, "the copy of an archive ends early");
        }
        done += (size_t)n;
    }
    return 0;
}

int page_file_find(int fd, const char *page, uint64_t *ret_offset, uint64_t *ret_size,
                   struct error *err)
{
    struct page_footer footer;
    struct slice wanted = slice_cstr(page);
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < (off_t)sizeof(footer)) {
        return error_set(err, ERR_CORRUPT, "the copy of an archive ends early");
    }
    TRY(read_bytes(fd, (uint64_t)end - sizeof(footer), &footer, sizeof(footer), err));
    uint64_t low = 0, high = footer.n;
    bool found = false;
    while (low < high) { /* the last one of its name */
        char name[PAGE_NAME_MAX];
        struct page_entry entry;
        uint64_t middle = low + (high - low) / 2;
        TRY(read_bytes(fd, footer.index_at + middle * sizeof(entry), &entry, sizeof(entry), err));
        if (entry.name_len >= sizeof(name)) {
            return error_set(err, ERR_CORRUPT, "the copy of an archive is damaged");
        }
        TRY(read_bytes(fd, footer.names_at + entry.name_at, name, entry.name_len, err));
        int order = slice_compare(slice_make(name, entry.name_len), wanted);
        if (order <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
        if (order == 0) {
            found = true;
            *ret_offset = entry.offset;
            *ret_size = entry.size;
        }
    }
    return found ? 0 : error_set(err, ERR_NOT_FOUND, "File not found: there is no %s.", page);
}
