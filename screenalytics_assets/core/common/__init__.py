"""What every stage uses: errors, geometry, vectors, intervals, table schemas, file layout, episode ids."""
