/*
 * docgen NAME: print the document docs/NAME.md from the tables it is made of.
 * docgen --list: the names.  tools/docs-update writes the files, a lint test compares them.
 */
#include "tools/docgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "event/event.h"
#include "metric/metric.h"
#include "rest/rest.h"
#include "streamer/inbound.h"

enum { DOCUMENT_MAX = 16 * 1024 * 1024 };

static const struct document {
	const char *name;
	void (*write)(struct buf *out);
} documents[] = {
	{ "api", rest_document },       { "configuration", conf_document },
	{ "errors", docgen_errors },    { "events", event_docs },
	{ "metrics", metric_document }, { "permissions", rest_permissions },
	{ "socket", inbound_document },
};

static int print(const struct document *document)
{
	struct buf out;
	int status;

	buf_init(&out, DOCUMENT_MAX);
	document->write(&out);
	status = !buf_failed(&out) && fwrite(out.data, 1, out.len, stdout) == out.len &&
	                         fflush(stdout) == 0
	                 ? EXIT_SUCCESS
	                 : EXIT_FAILURE;
	buf_fini(&out);
	return status;
}

int main(int argc, char **argv)
{
	bool list = argc == 2 && strcmp(argv[1], "--list") == 0;

	for (size_t i = 0; argc == 2 && i < ARRAY_LEN(documents); i++) {
		if (list) {
			(void)puts(documents[i].name);
		} else if (strcmp(argv[1], documents[i].name) == 0) {
			return print(&documents[i]);
		}
	}
	if (list) {
		return EXIT_SUCCESS;
	}
	(void)fprintf(stderr, "usage: docgen NAME, with a name that docgen --list prints\n");
	return 2;
}
