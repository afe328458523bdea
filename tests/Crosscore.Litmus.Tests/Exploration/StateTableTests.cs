using Crosscore.Model.Exploration;
using Crosscore.Model.State;

namespace Crosscore.Litmus.Tests.Explorations;

/// <summary>
/// States are stored exactly, whatever their width and their hashes, and keep their numbers while the table grows.
/// </summary>
public class StateTableTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(12)]
    public void States_of_any_width_are_stored_once_and_come_back_as_they_were(int words)
    {
        const int attempts = 30_000;
        var table = new StateTable(words);
        var expected = new Dictionary<string, int>();
        var order = new List<ulong[]>();
        int[] counts = table.Counts();
        var random = new Random(words);
        for (int attempt = 0; attempt < attempts; attempt++)
        {
            ulong[] state = Neighbor(random, words, order);
            bool isNew = !expected.ContainsKey(string.Join(' ', state));
            Assert.Equal(isNew, table.TryAdd(state));
            if (isNew)
            {
                int[] after = table.Counts();
                int part = Enumerable
                    .Range(0, StateTable.Parts)
                    .Single(candidate => after[candidate] != counts[candidate]);
                expected.Add(string.Join(' ', state), StateTable.Number(part, counts[part]));
                order.Add(state);
                counts = after;
            }
        }

        Assert.Equal(expected.Count, table.Count);
        Assert.InRange(table.Count, attempts / 4, attempts - 1);
        ulong[] tree = new ulong[table.Codec.TreeWords];
        foreach (ulong[] state in order)
        {
            table.Read(expected[string.Join(' ', state)], tree);
            Assert.Equal(state, tree[..words]);
            Assert.False(table.TryAdd(state));
        }
    }

    [Fact]
    public void Records_with_one_and_the_same_hash_are_kept_apart()
    {
        const int count = 3000;
        const ulong hash = 0xFFFF_FFFF_FFFF_FFFF;
        var part = new StatePart(2);
        for (int pass = 0; pass < 2; pass++)
        {
            for (ulong record = 0; record < count; record++)
            {
                // Room is made beforehand: growth asks for real hashes.
                if (pass == 0 && record == 0)
                {
                    part.MakeRoom(count);
                }

                Assert.Equal((int)record, part.Add(hash, [record, ~record]));
                Assert.Equal(pass == 0 ? (int)record + 1 : count, part.Count);
                Assert.True(part.Contains(hash, [record, ~record]));
                Assert.False(part.Contains(hash, [record, record]));
            }
        }

        Assert.Equal(count, part.Count);
    }

    [Fact]
    public void Words_whose_hashes_collide_get_distinct_numbers()
    {
        // The table of words compares 32 bits of the hash before the word; among this many words some have those
        // in common.
        const int count = 400_000;
        var table = new WordTable();
        var spare = new NumberSpare();
        var hashes = new HashSet<uint>();
        int collisions = 0;
        uint[] numbers = new uint[count];
        for (int index = 0; index < count; index++)
        {
            ulong word = Word(index);
            collisions += hashes.Add((uint)(StateHash.Of([word]) >> 32)) ? 0 : 1;
            while (!table.TryNumber(word, spare, out numbers[index]))
            {
                table.Grow();
            }
        }

        Assert.NotEqual(0, collisions);
        Assert.Equal(count, numbers.Distinct().Count());
        for (int index = 0; index < count; index++)
        {
            Assert.Equal(Word(index), table[numbers[index]]);
            Assert.True(table.TryNumber(Word(index), spare, out uint again));
            Assert.Equal(numbers[index], again);
        }
    }

    [Fact]
    public void Bytes_needed_are_told_before_they_are_taken()
    {
        var part = new StatePart(2);
        var random = new Random(1);
        for (int step = 0; step < 200; step++)
        {
            int more = random.Next(1, 500);
            long told = part.BytesWith(more);
            part.MakeRoom(more);
            Assert.Equal(told, part.Bytes);
            for (int state = 0; state < more; state++)
            {
                ulong[] record = [(ulong)random.NextInt64(), 7];
                part.Add(StateHash.Of(record), record);
            }

            Assert.Equal(told, part.Bytes);
        }
    }

    // 24 bytes of record; an index between 8/15 and 4/5 full; less than a chunk of room.
    [Fact]
    public void A_state_of_192_bits_costs_32_bytes_at_most_even_right_after_growth()
    {
        var part = new StatePart(3);
        var random = new Random(2);
        double most = 0;
        for (int state = 0; state < 300_000; state++)
        {
            ulong[] record = [(ulong)random.NextInt64(), (ulong)random.NextInt64(), (ulong)random.NextInt64()];
            part.MakeRoom(1);
            part.Add(StateHash.Of(record), record);
            if (state > 100_000)
            {
                most = Math.Max(most, part.Bytes / (double)part.Count);
            }
        }

        Assert.InRange(most, 31, 32);
    }

    private static ulong Word(int index) => (ulong)index * 0x9E37_79B9_7F4A_7C15;

    // Most states differ in a few bits from one that is there, as those of a search do; some are far from all, and a
    // quarter or so is there already.
    private static ulong[] Neighbor(Random random, int words, List<ulong[]> order)
    {
        ulong[] state = order.Count == 0 ? new ulong[words] : (ulong[])order[random.Next(order.Count)].Clone();
        if (random.Next(20) == 0)
        {
            foreach (ref ulong word in state.AsSpan())
            {
                word = random.Next(8) == 0 ? ulong.MaxValue : (ulong)random.NextInt64();
            }
        }

        for (int change = random.Next(3); change > 0; change--)
        {
            state[random.Next(words)] ^= 1UL << random.Next(64);
        }

        return state;
    }
}
