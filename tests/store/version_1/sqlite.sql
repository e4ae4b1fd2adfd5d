CREATE TABLE explainfb_schema (
	version INTEGER NOT NULL,
	PRIMARY KEY (version)
);
CREATE TABLE settings (
	name VARCHAR(200) NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (name)
);
CREATE TABLE rounds (
	round INTEGER NOT NULL,
	seed BIGINT NOT NULL,
	added_at DATETIME NOT NULL,
	closed_at DATETIME,
	PRIMARY KEY (round)
);
CREATE TABLE annotators (
	id INTEGER NOT NULL,
	name VARCHAR(200) NOT NULL,
	role VARCHAR(16) NOT NULL,
	added_at DATETIME NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (name)
);
CREATE TABLE comparisons (
	id INTEGER NOT NULL,
	round INTEGER NOT NULL,
	position INTEGER NOT NULL,
	left_classifier TEXT NOT NULL,
	left_image BIGINT NOT NULL,
	right_classifier TEXT NOT NULL,
	right_image BIGINT NOT NULL,
	gold VARCHAR(16),
	answers INTEGER DEFAULT '0' NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (round, position),
	CONSTRAINT answers_not_negative CHECK (answers >= 0),
	FOREIGN KEY(round) REFERENCES rounds (round)
);
CREATE TABLE links (
	token_sha256 VARCHAR(64) NOT NULL,
	annotator_id INTEGER NOT NULL,
	issued_at DATETIME NOT NULL,
	revoked_at DATETIME,
	PRIMARY KEY (token_sha256),
	FOREIGN KEY(annotator_id) REFERENCES annotators (id)
);
CREATE UNIQUE INDEX one_open_link ON links (annotator_id) WHERE revoked_at IS NULL;
CREATE TABLE events (
	id INTEGER NOT NULL,
	annotator_id INTEGER NOT NULL,
	kind VARCHAR(16) NOT NULL,
	detail TEXT NOT NULL,
	"by" VARCHAR(200) NOT NULL,
	at DATETIME NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(annotator_id) REFERENCES annotators (id)
);
CREATE INDEX ix_events_annotator_id ON events (annotator_id);
CREATE TABLE ratings (
	id INTEGER NOT NULL,
	annotator_id INTEGER NOT NULL,
	round INTEGER NOT NULL,
	classifier TEXT NOT NULL,
	image BIGINT NOT NULL,
	rating INTEGER NOT NULL,
	shown_at DATETIME NOT NULL,
	responded_at DATETIME NOT NULL,
	recorded_at DATETIME NOT NULL,
	app_version VARCHAR(64) NOT NULL,
	comment TEXT,
	token VARCHAR(64),
	PRIMARY KEY (id),
	UNIQUE (annotator_id, token),
	CONSTRAINT rating_1_to_5 CHECK (rating BETWEEN 1 AND 5),
	FOREIGN KEY(annotator_id) REFERENCES annotators (id),
	FOREIGN KEY(round) REFERENCES rounds (round)
);
CREATE INDEX ratings_by_explanation ON ratings (annotator_id, round, classifier, image);
CREATE TABLE answers (
	id INTEGER NOT NULL,
	comparison_id INTEGER NOT NULL,
	annotator_id INTEGER NOT NULL,
	answer VARCHAR(16),
	seed BIGINT NOT NULL,
	shown_left TEXT NOT NULL,
	shown_right TEXT NOT NULL,
	shown_at DATETIME NOT NULL,
	responded_at DATETIME NOT NULL,
	recorded_at DATETIME NOT NULL,
	app_version VARCHAR(64) NOT NULL,
	comment TEXT,
	token VARCHAR(64),
	supersedes INTEGER,
	surplus BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	UNIQUE (annotator_id, token),
	CONSTRAINT known_answer CHECK (answer IN ('left', 'right', 'equal', 'cant_tell')),
	FOREIGN KEY(comparison_id) REFERENCES comparisons (id),
	FOREIGN KEY(annotator_id) REFERENCES annotators (id),
	UNIQUE (supersedes),
	FOREIGN KEY(supersedes) REFERENCES answers (id)
);
CREATE UNIQUE INDEX one_first_answer ON answers (comparison_id, annotator_id) WHERE supersedes IS NULL;
CREATE INDEX answers_by_pair ON answers (comparison_id, annotator_id);
CREATE TABLE leases (
	annotator_id INTEGER NOT NULL,
	comparison_id INTEGER NOT NULL,
	token VARCHAR(64) NOT NULL,
	leased_at DATETIME NOT NULL,
	expires_at DATETIME NOT NULL,
	PRIMARY KEY (annotator_id),
	FOREIGN KEY(annotator_id) REFERENCES annotators (id),
	FOREIGN KEY(comparison_id) REFERENCES comparisons (id)
);
CREATE INDEX ix_leases_comparison_id ON leases (comparison_id);
