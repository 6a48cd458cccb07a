-- Plans for the filters at hand: one for all alike, which the server would take after five questions, reads far more
-- depends: 0001-portal

-- migrate: apply
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET plan_cache_mode = force_custom_plan', current_database());
END $$;

-- migrate: rollback
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I RESET plan_cache_mode', current_database());
END $$;
