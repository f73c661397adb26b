/* `fairlead health`: does the node of this host answer? For containers, whose images have no other
 * means to ask. */
#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/buf.h"
#include "cli/command.h"
#include "conf/conf.h"

enum { HEALTH_TIMEOUT_MS = 4000, HEALTH_URL_MAX = 512, HEALTH_PROBLEMS_MAX = 65536 };

enum health { HEALTH_NOBODY, HEALTH_GOOD, HEALTH_BAD };

const char health_usage[] =
	"usage: fairlead health [--ready] [PLACES]\n"
	"\n"
	"Asks the nodes that listen at PLACES (as in api.listen) whether they are alive;\n"
	"with --ready, whether they can work. Without PLACES those of the settings are asked\n"
	"(FAIRLEAD_API_LISTEN, FAIRLEAD_STREAMER_LISTEN, FAIRLEAD_METRICS_LISTEN). At least\n"
	"one must listen, and all that do must be well: the exit status is 0 then, else 1.\n"
	"Places of proxies (proxy://) are left out.\n";

/* Where a node listens, as it is asked. */
struct place {
	char url[HEALTH_URL_MAX], socket[HEALTH_URL_MAX]; /* socket: of unix:/path, else "" */
};

/* Takes the prefix off, where it is there. */
static bool take(struct str *s, struct str prefix)
{
	if (!str_starts(*s, prefix)) {
		return false;
	}
	*s = str_make(s->p + prefix.n, s->n - prefix.n);
	return true;
}

/* Who listens at every address is asked at one of the host's own. */
static bool find_place(struct str written, const char *path, struct place *ret)
{
	bool tls = take(&written, STR_LIT("tls://"));
	const char *host = "";
	int n;

	ret->socket[0] = '\0';
	if (take(&written, STR_LIT("unix:"))) {
		if (!str_copy(ret->socket, sizeof(ret->socket), written)) {
			return false;
		}
		written = STR_LIT("localhost");
	} else if (take(&written, STR_LIT("0.0.0.0:"))) {
		host = "127.0.0.1:";
	} else if (take(&written, STR_LIT("[::]:"))) {
		host = "[::1]:";
	}
	n = snprintf(ret->url, sizeof(ret->url), "%s://%s%" STR_FMT "%s", tls ? "https" : "http",
	             host, STR_ARG(written), path);
	return n > 0 && (size_t)n < sizeof(ret->url);
}

static size_t drop(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * count;
}

static enum health ask(struct str written, const char *path)
{
	char why[CURL_ERROR_SIZE] = "";
	struct place place;
	CURL *curl = curl_easy_init();
	CURLcode code;
	long status = 0;

	if (curl == NULL || !find_place(written, path, &place)) {
		curl_easy_cleanup(curl);
		return HEALTH_BAD;
	}
	(void)curl_easy_setopt(curl, CURLOPT_URL, place.url);
	if (place.socket[0] != '\0') {
		(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, place.socket);
	}
	/* The name in the certificate is not the one by which this host asks itself. */
	(void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	(void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	(void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)HEALTH_TIMEOUT_MS);
	(void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
	code = curl_easy_perform(curl);
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	if (code == CURLE_COULDNT_CONNECT) {
		return HEALTH_NOBODY;
	}
	if (code != CURLE_OK) {
		(void)fprintf(stderr, "fairlead: %s: %s\n", place.url, why);
		return HEALTH_BAD;
	}
	(void)printf("%s %ld\n", place.url, status);
	return status == 200 ? HEALTH_GOOD : HEALTH_BAD;
}

/* The worst of all places of all lists, where somebody listens. */
static int ask_all(const char *const *lists, size_t count, const char *path)
{
	enum health all = HEALTH_NOBODY;

	for (size_t i = 0; i < count; i++) {
		struct str rest = str_of(lists[i]);

		while (rest.n > 0) {
			struct str place = str_trim(str_split(&rest, ','));
			enum health one = HEALTH_NOBODY;

			if (place.n > 0 && !str_starts(place, STR_LIT("proxy"))) {
				one = ask(place, path);
			}
			all = one > all ? one : all;
		}
	}
	if (all == HEALTH_NOBODY) {
		(void)fputs("fairlead: nobody listens\n", stderr);
	}
	return all == HEALTH_GOOD ? EXIT_DONE : EXIT_FAILED;
}

static int ask_configured(const char *path)
{
	const struct conf_source source = { .program = "fairlead", .envp = environ };
	struct buf problems, notes;
	struct conf conf;
	int status = EXIT_FAILED;

	buf_init(&problems, HEALTH_PROBLEMS_MAX);
	buf_init(&notes, HEALTH_PROBLEMS_MAX);
	if (conf_load(&conf, &source, &problems, &notes) == CONF_READY) {
		const char *const lists[] = { conf.api_listen, conf.streamer_listen,
			                      conf.metrics_listen };

		status = ask_all(lists, ARRAY_LEN(lists), path);
	} else {
		(void)fwrite(problems.data, 1, problems.len, stderr);
	}
	buf_fini(&problems);
	buf_fini(&notes);
	conf_fini(&conf);
	return status;
}

int command_health(int argc, char **argv)
{
	static const struct option known[] = {
		{ "ready", no_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = "/healthz";
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'r': path = "/readyz"; break;
		case 'h': (void)fputs(health_usage, stdout); return EXIT_DONE;
		default: (void)fputs(health_usage, stderr); return EXIT_USAGE;
		}
	}
	if (argc - optind > 1) {
		(void)fputs(health_usage, stderr);
		return EXIT_USAGE;
	}
	if (optind < argc) {
		return ask_all((const char *const *)&argv[optind], 1, path);
	}
	return ask_configured(path);
}
