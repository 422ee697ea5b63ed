-- `sequence` is the rowid: it only grows and is never used again, so it gives the order of insertion whatever the
-- clock does, and it ties a message to its row in the search index.
CREATE TABLE conversations (
    id               TEXT NOT NULL PRIMARY KEY,
    title            TEXT NOT NULL,
    title_is_custom  INTEGER NOT NULL DEFAULT 0,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    deleted_at       INTEGER,
    model_path       TEXT,
    character_id     TEXT,
    sampling         TEXT NOT NULL DEFAULT '{}',
    active_leaf      TEXT,
    first_in_context TEXT,
    FOREIGN KEY (id, active_leaf) REFERENCES messages (conversation_id, id) DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (id, first_in_context) REFERENCES messages (conversation_id, id) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX conversations_by_time ON conversations (updated_at DESC) WHERE deleted_at IS NULL;

CREATE TABLE messages (
    sequence        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    parent_id       TEXT,
    role            TEXT NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
    content         TEXT NOT NULL,
    reasoning       TEXT NOT NULL,
    reasoning_ms    INTEGER,
    status          TEXT NOT NULL
                    CHECK (status IN ('complete', 'streaming', 'stopped', 'length', 'failed', 'interrupted')),
    error           TEXT,
    author_name     TEXT,
    author_emoji    TEXT,
    character_id    TEXT,
    model           TEXT,
    sampling        TEXT,
    timings         TEXT,
    created_at      INTEGER NOT NULL,
    checksum        INTEGER NOT NULL,
    UNIQUE (conversation_id, id),
    FOREIGN KEY (conversation_id, parent_id) REFERENCES messages (conversation_id, id)
);

CREATE INDEX messages_by_parent ON messages (conversation_id, parent_id, sequence);
CREATE INDEX streaming_messages ON messages (status) WHERE status = 'streaming';

-- The index holds no copy of the text, and finds a row to delete by its number alone, so a damaged message cannot
-- damage the index. A message is indexed when it stops streaming, not at every checkpoint.
CREATE VIRTUAL TABLE message_index USING fts5 (content, content = '', contentless_delete = 1, tokenize = 'trigram');

CREATE TRIGGER message_inserted AFTER INSERT ON messages WHEN new.status <> 'streaming' BEGIN
    INSERT INTO message_index (rowid, content) VALUES (new.sequence, new.content);
END;

CREATE TRIGGER message_deleted AFTER DELETE ON messages WHEN old.status <> 'streaming' BEGIN
    DELETE FROM message_index WHERE rowid = old.sequence;
END;

CREATE TRIGGER message_updated AFTER UPDATE OF content, status ON messages
WHEN old.status <> 'streaming' OR new.status <> 'streaming' BEGIN
    DELETE FROM message_index WHERE old.status <> 'streaming' AND rowid = old.sequence;
    INSERT INTO message_index (rowid, content) SELECT new.sequence, new.content WHERE new.status <> 'streaming';
END;
