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

static const char health_usage[] =
	"usage: fairlead health [--ready] [ADDRESS]\n"
	"\n"
	"Asks the node that listens at ADDRESS (address:port, or unix:/path) whether it is alive;\n"
	"with --ready, whether it can work. Without ADDRESS those that the settings name\n"
	"(FAIRLEAD_API_LISTEN, FAIRLEAD_STREAMER_LISTEN, FAIRLEAD_METRICS_LISTEN) are asked: at "
	"least\n"
	"one must listen, and all that do must be well. The exit status is 0 then, else 1.\n";

/* Who listens at every address is asked at one of the host's own. */
static bool health_url(const char *address, const char *path, char out[HEALTH_URL_MAX])
{
	static const struct {
		const char *every, *own;
	} hosts[] = { { "0.0.0.0:", "127.0.0.1:" }, { "[::]:", "[::1]:" } };
	const char *host = "";
	int n;

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		size_t every = strlen(hosts[i].every);

		if (strncmp(address, hosts[i].every, every) == 0) {
			host = hosts[i].own;
			address += every;
		}
	}
	if (strncmp(address, "unix:", 5) == 0) {
		address = "localhost";
	}
	n = snprintf(out, HEALTH_URL_MAX, "http://%s%s%s", host, address, path);
	return n > 0 && n < HEALTH_URL_MAX;
}

static size_t drop(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * count;
}

static enum health ask(const char *address, const char *path)
{
	char url[HEALTH_URL_MAX], why[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	CURLcode code;
	long status = 0;

	if (curl == NULL || !health_url(address, path, url)) {
		curl_easy_cleanup(curl);
		return HEALTH_BAD;
	}
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	if (strncmp(address, "unix:", 5) == 0) {
		(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, address + 5);
	}
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
		(void)fprintf(stderr, "fairlead: %s: %s\n", address, why);
		return HEALTH_BAD;
	}
	(void)printf("%s%s %ld\n", address, path, status);
	return status == 200 ? HEALTH_GOOD : HEALTH_BAD;
}

/* Of all that are named, "" being nowhere. */
static int ask_all(const char *const *addresses, size_t count, const char *path)
{
	enum health all = HEALTH_NOBODY;

	for (size_t i = 0; i < count; i++) {
		enum health one = addresses[i][0] != '\0' ? ask(addresses[i], path) : HEALTH_NOBODY;

		all = one > all ? one : all;
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
		const char *const addresses[] = { conf.api_listen, conf.streamer_listen,
			                          conf.metrics_listen };

		status = ask_all(addresses, ARRAY_LEN(addresses), path);
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
