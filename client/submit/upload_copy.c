/* See upload_copy.h.  Reads the ELF file as bytes: every offset is checked against its size. */
#include "client/submit/upload_copy.h"
#include "common/base/mem.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UPLOAD_PROGRAM_BYTES_MAX = 1024 * 1024 * 1024 };

struct file_bytes {
    uint8_t *data; /* Owns */
    size_t size;
};

static int read_file(const char *path, struct file_bytes *ret, struct error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0) {
        int e = errno;
        if (fd >= 0) {
            close(fd);
        }
        return error_set_errno(err, e, "reading %s for its upload", path);
    }
    if (st.st_size > UPLOAD_PROGRAM_BYTES_MAX) {
        close(fd);
        return error_set(err, ERR_TOO_LARGE, "%s is larger than 1 GiB and cannot be uploaded",
                         path);
    }
    ret->data = mem_alloc((size_t)st.st_size + 1);
    ret->size = 0;
    ssize_t n;
    while (ret->size < (size_t)st.st_size &&
           (n = read(fd, ret->data + ret->size, (size_t)st.st_size - ret->size)) > 0) {
        ret->size += (size_t)n;
    }
    close(fd);
    return 0;
}

/* The dynamic section of a 64-bit ELF file; NULL: none, or it lies outside. */
static Elf64_Dyn *find_dynamic(const struct file_bytes *f, size_t *ret_n)
{
    const Elf64_Ehdr *head = (const Elf64_Ehdr *)f->data;

    if (f->size < sizeof(*head) || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_phentsize != sizeof(Elf64_Phdr) ||
        head->e_phoff > f->size || (f->size - head->e_phoff) / sizeof(Elf64_Phdr) < head->e_phnum) {
        return NULL;
    }
    for (uint32_t i = 0; i < head->e_phnum; i++) {
        Elf64_Phdr p;
        memcpy(&p, f->data + head->e_phoff + i * sizeof(p), sizeof(p));
        if (p.p_type == PT_DYNAMIC && p.p_offset <= f->size && p.p_filesz <= f->size - p.p_offset &&
            p.p_offset % sizeof(uint64_t) == 0) {
            *ret_n = p.p_filesz / sizeof(Elf64_Dyn);
            return (Elf64_Dyn *)(f->data + p.p_offset);
        }
    }
    return NULL;
}

static int write_copy(const struct file_bytes *f, struct str *ret_path, struct error *err)
{
    const char *dir = getenv("TMPDIR");
    struct str path = STR_INIT;

    str_printf(&path, "%s/flinc-upload-XXXXXX", dir != NULL ? dir : "/tmp");
    int fd = mkostemp(path.data, O_CLOEXEC);
    if (fd < 0) {
        int rc = error_set_errno(err, errno, "making a copy of the program for its upload in %s",
                                 str_cstr(&path));
        str_fini(&path);
        return rc;
    }
    size_t done = 0;
    ssize_t n = 0;
    while (done < f->size && (n = write(fd, f->data + done, f->size - done)) > 0) {
        done += (size_t)n;
    }
    int e = errno;
    close(fd);
    if (done < f->size) {
        (void)unlink(str_cstr(&path));
        int rc = error_set_errno(err, e, "writing %s", str_cstr(&path));
        str_fini(&path);
        return rc;
    }
    str_append_slice(ret_path, str_slice(&path));
    str_fini(&path);
    return 0;
}

static int copy_of(const char *path, struct file_bytes *f, struct str *ret_path, bool *ret_is_copy,
                   struct error *err)
{
    size_t n = 0;
    Elf64_Dyn *dynamic = find_dynamic(f, &n);
    bool is_program = false;

    if (f->size >= sizeof(Elf64_Ehdr) && memcmp(f->data, ELFMAG, SELFMAG) == 0 &&
        ((const Elf64_Ehdr *)f->data)->e_type == ET_EXEC) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "%s is linked for a fixed address, so a cluster cannot load its functions: "
            "link it without -no-pie, or put the functions into a shared library",
            path);
    }
    for (size_t i = 0; dynamic != NULL && i < n; i++) {
        if (dynamic[i].d_tag == DT_FLAGS_1 && (dynamic[i].d_un.d_val & DF_1_PIE) != 0) {
            dynamic[i].d_un.d_val &= ~(Elf64_Xword)DF_1_PIE;
            is_program = true;
        }
    }
    *ret_is_copy = is_program;
    if (is_program) {
        return write_copy(f, ret_path, err);
    }
    str_append_cstr(ret_path, path);
    return 0;
}

int upload_copy_make(const char *path, struct str *ret_path, bool *ret_is_copy, struct error *err)
{
    struct file_bytes f = {NULL, 0};

    TRY(read_file(path, &f, err));
    int rc = copy_of(path, &f, ret_path, ret_is_copy, err);
    mem_free(f.data);
    return rc;
}
