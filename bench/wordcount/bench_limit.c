/* The limit of WordCount: what a hand-written program of one thread needs for the same file and the
 * same result.  It reads in large blocks, hashes while it scans, and counts in one open-addressing
 * table.  No parallelism, no exchange, no recovery: only the work itself.
 *
 *   bench_wordcount_limit FILE [OUTPUT] */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, SLOTS = 1 << 18, WORD_MAX = 1 << 16 };

struct slot {
    char *word;
    uint32_t len;
    uint32_t hash;
    uint64_t count;
};

static struct slot *slots;
static uint64_t n_words, n_distinct;
static uint8_t letters[256];

static void count_word(const char *word, uint32_t len, uint32_t hash)
{
    struct slot *s = &slots[hash & (SLOTS - 1)];

    while (s->word != NULL &&
           (s->hash != hash || s->len != len || memcmp(s->word, word, len) != 0)) {
        s = s + 1 == slots + SLOTS ? slots : s + 1;
    }
    if (s->word == NULL) {
        if (++n_distinct > SLOTS / 2) {
            fprintf(stderr, "more than %d words\n", SLOTS / 2);
            exit(1);
        }
        s->word = malloc(len);
        memcpy(s->word, word, len);
        s->len = len;
        s->hash = hash;
    }
    s->count++;
    n_words++;
}

static void init_letters(void)
{
    for (int c = 0; c < 256; c++) {
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_') {
            letters[c] = (uint8_t)c;
        } else if (c >= 'A' && c <= 'Z') {
            letters[c] = (uint8_t)(c + 'a' - 'A');
        }
    }
}

static void count_file(int fd)
{
    static char block[BLOCK];
    static char word[WORD_MAX];
    uint32_t len = 0;
    uint32_t hash = 0;
    ssize_t n;

    while ((n = read(fd, block, sizeof(block))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            uint8_t c = letters[(uint8_t)block[i]];
            if (c != 0 && len < WORD_MAX) {
                word[len++] = (char)c;
                hash = (hash ^ c) * 0x9e3779b1u;
            } else if (len > 0) {
                count_word(word, len, hash ^ hash >> 15);
                len = 0;
                hash = 0;
            }
        }
    }
    if (len > 0) {
        count_word(word, len, hash ^ hash >> 15);
    }
}

int main(int argc, char **argv)
{
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
    FILE *out = argc > 2 ? fopen(argv[2], "w") : NULL;

    if (fd < 0 || (argc > 2 && out == NULL)) {
        fprintf(stderr, "usage: bench_wordcount_limit FILE [OUTPUT]\n");
        return 2;
    }
    slots = calloc(SLOTS, sizeof(*slots));
    init_letters();
    count_file(fd);
    for (struct slot *s = slots; out != NULL && s < slots + SLOTS; s++) {
        if (s->word != NULL) {
            fprintf(out, "(%.*s,%llu)\n", (int)s->len, s->word, (unsigned long long)s->count);
        }
    }
    fprintf(stderr, "%llu words, %llu distinct\n", (unsigned long long)n_words,
            (unsigned long long)n_distinct);
    return out != NULL && fclose(out) != 0;
}
