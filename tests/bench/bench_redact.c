/* What it costs to look for secrets: bytes a second of one core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/attr.h"
#include "worker/redact.h"

enum { CHUNK = 16 * 1024, TOTAL = 128 * 1024 * 1024 };

#define TEXT(s)                                                                                    \
	{                                                                                          \
		(s), sizeof(s) - 1                                                                 \
	}
static const struct redact_value values[] = {
	{ TEXT("ANTHROPIC_API_KEY"), TEXT("sk-ant-api03-0123456789abcdef0123456789abcdef") },
	{ TEXT("DATABASE_URL"), TEXT("postgres://app:correct-horse@db.internal:5432/app") },
	{ TEXT("TOKEN"), TEXT("s3cr3t-t0k3n-of-the-deployment") },
};

static const char prose[] =
	"The scheduler picks the next session of a tenant by its stride and asks the worker for a "
	"slot; see https://example.org/docs and src/session_run.c for what follows.\n";

static void run(const char *what, const char *text, const struct redact *redact)
{
	struct redact_stream *stream = redact_stream_new(redact);
	char *chunk = malloc(CHUNK);
	clock_t begun;
	double us;
	struct buf out;

	for (size_t i = 0; i < CHUNK; i++) {
		chunk[i] = text[i % strlen(text)];
	}
	buf_init(&out, (size_t)4 * CHUNK);
	begun = clock();
	for (size_t done = 0; done < TOTAL; done += CHUNK) {
		buf_reset(&out);
		redact_feed(stream, str_make(chunk, CHUNK), &out);
	}
	us = (double)(clock() - begun) * 1e6 / CLOCKS_PER_SEC;
	printf("%-28s %7.0f MB/s\n", what, (double)TOTAL / us);
	buf_fini(&out);
	redact_stream_free(stream);
	free(chunk);
}

int main(void)
{
	struct redact *shapes = redact_new(NULL, 0);
	struct redact *all = redact_new(values, ARRAY_LEN(values));

	run("prose, shapes", prose, shapes);
	run("prose, shapes and values", prose, all);
	run("all secrets", "sk-ant-api03-0123456789abcdef0123456789abcdef ", all);
	run("nearly secrets", "sk-ant-postgres://app:correct eyJeyJeyJBearer ", all);
	redact_free(shapes);
	redact_free(all);
	return 0;
}
