"""Floor 4: releases are published and proved whole. Nothing here yet but its place above the builders."""
