using Crosscore.Rcu;
using Crosscore.Structures;
using FsCheck;
using FsCheck.Fluent;

namespace Crosscore.Tests.Structures;

/// <summary>The read-mostly map: against a sequential one, under stress, and misused.</summary>
public sealed class ReadMostlyMapTests : IDisposable
{
    private readonly RcuDomain _domain = new();

    public void Dispose() => _domain.Dispose();

    [Fact]
    public void The_example_of_the_documentation_runs()
    {
        // shown
        using var domain = new RcuDomain();
        using var connections = new ReadMostlyMap<string, MemoryStream>(domain);
        connections.Set("a", new MemoryStream([1, 2, 3]));

        using (RcuReadSection section = domain.EnterReadSection())
        {
            if (connections.TryGetValue(in section, "a", out MemoryStream? connection))
            {
                connections.Set("a", new MemoryStream()); // in place; the old one is disposed of later
                Assert.Equal(3, connection.Length); // not before this section is left
            }
        }

        domain.Barrier();
        // end
    }

    [Fact]
    public void The_map_does_what_a_sequential_one_does_and_each_old_value_is_reclaimed_once() =>
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(200).WithQuietOnSuccess(true),
            Prop.ForAll(
                ArbMap.Default.ArbFor<int[]>(),
                operations =>
                {
                    using var domain = new RcuDomain();
                    var made = new List<Item>();
                    var expected = new Dictionary<int, Item>();
                    using var map = new ReadMostlyMap<int, Item>(domain, size: item => item.Number);
                    Item Make()
                    {
                        made.Add(new Item(made.Count));
                        return made[^1];
                    }

                    foreach (int operation in operations)
                    {
                        int key = Math.Abs(operation / 8) % 50;
                        using RcuReadSection section = domain.EnterReadSection();
                        bool there = expected.TryGetValue(key, out Item? present);
                        Item value;
                        switch (operation & 7)
                        {
                            case 0:
                                Assert.Equal(expected.Remove(key), map.TryRemove(key));
                                break;
                            case 1:
                                value = Make();
                                bool added = map.TryAdd(key, value);
                                Assert.Equal(!there, added);
                                if (added)
                                {
                                    expected.Add(key, value);
                                }
                                else
                                {
                                    value.Dispose(); // still ours
                                }

                                break;
                            case 2:
                                value = Make();
                                bool updated = map.TryUpdate(key, present ?? value, value);
                                Assert.Equal(there, updated);
                                if (updated)
                                {
                                    expected[key] = value;
                                }
                                else
                                {
                                    value.Dispose();
                                }

                                break;
                            case 3:
                                value = map.GetOrAdd(in section, key, _ => Make());
                                Assert.Same(present ?? made[^1], value);
                                expected[key] = value;
                                break;
                            case 4 when present is not null:
                                map.Set(key, present); // in its own place
                                break;
                            case 5 when operation % 31 == 0:
                                map.Clear();
                                expected.Clear();
                                break;
                            default:
                                value = Make();
                                map.Set(key, value);
                                expected[key] = value;
                                break;
                        }

                        AssertSame(expected, map, in section);
                    }

                    domain.Barrier();
                    Assert.All(expected.Values, item => Assert.Equal(0, item.Disposals));
                    Assert.Equal(made.Count - expected.Count, made.Sum(item => item.Disposals));
                    map.Dispose();
                    domain.Barrier();
                    Assert.All(made, item => Assert.Equal(1, item.Disposals));
                }
            )
        );

    [Fact]
    public void No_reader_meets_a_disposed_value_while_the_map_changes_and_grows()
    {
        const int Keys = 64;
        using var map = new ReadMostlyMap<string, Item>(_domain);
        string[] keys = [.. Enumerable.Range(0, Keys).Select(key => $"key {key}")];
        long made = 0;
        long[] numbers = new long[Keys];
        Array.ForEach(keys, key => map.Set(key, new Item(0)));

        void Read(Workers workers)
        {
            var random = new Random(1);
            long[] newest = new long[Keys];
            while (workers.Continue)
            {
                int key = random.Next(Keys);
                using RcuReadSection section = _domain.EnterReadSection();
                if (map.TryGetValue(in section, keys[key], out Item? item))
                {
                    Assert.Equal(0, item.Disposals);
                    if (key % 2 == 0)
                    {
                        // Even ones are only replaced, in place, by ever newer ones.
                        Assert.True(item.Number >= newest[key], "a value went back to an older one");
                        newest[key] = item.Number;
                    }

                    Assert.Equal(0, item.Disposals);
                }
                else
                {
                    Assert.True(key % 2 != 0, "a key that is never removed was not found");
                }
            }
        }

        void Write(Workers workers)
        {
            var random = new Random(2);
            while (workers.Continue)
            {
                int key = random.Next(Keys / 2) * 2;
                map.Set(keys[key], new Item(++numbers[key]));
                made++;
            }
        }

        void AddAndRemove(Workers workers)
        {
            var random = new Random(3);
            for (int round = 0; workers.Continue; round++)
            {
                int key = (random.Next(Keys / 2) * 2) + 1;
                map.TryRemove(keys[key]);
                map.TryAdd(keys[key], new Item(0));
                map.TryAdd($"more {round}", new Item(0));
                if (round % 500 == 0)
                {
                    GC.Collect();
                }
            }
        }

        void Enumerate(Workers workers)
        {
            while (workers.Continue)
            {
                int found = 0;
                using RcuReadSection section = _domain.EnterReadSection();
                foreach (KeyValuePair<string, Item> entry in map.Entries(in section))
                {
                    Assert.Equal(0, entry.Value.Disposals);
                    found += entry.Key.StartsWith('k') ? 1 : 0;
                }

                Assert.InRange(found, Keys / 2, Keys);
            }
        }

        Workers.Run(TimeSpan.FromSeconds(2), Read, Read, Write, AddAndRemove, Enumerate);
        Assert.True(made > 100);
    }

    [Fact]
    public void A_value_that_is_read_in_a_section_is_disposed_of_when_the_section_is_left()
    {
        using var map = new ReadMostlyMap<int, Item>(_domain);
        var first = new Item(1);
        map.Set(1, first);
        using (RcuReadSection section = _domain.EnterReadSection())
        {
            Assert.True(map.TryGetValue(in section, 1, out Item? found));
            Assert.Same(first, found);
            Workers.OnOtherThread(() => map.Set(1, new Item(2)));
            Assert.True(map.TryGetValue(in section, 1, out found));
            Assert.Equal(2, found.Number);
            Assert.Equal(0, first.Disposals);
        }

        _domain.Barrier();
        Assert.Equal(1, first.Disposals);
    }

    [Fact]
    public async Task A_section_that_crosses_an_await_protects_as_well()
    {
        using var map = new ReadMostlyMap<int, Item>(_domain);
        var first = new Item(1);
        map.Set(1, first);
        using (RcuAsyncReadSection section = _domain.EnterAsyncReadSection())
        {
            Assert.True(map.TryGetValue(section, 1, out Item? found));
            map.TryRemove(1);
            await Task.Yield();
            Assert.Equal(0, found.Disposals);
            Item second = map.GetOrAdd(section, 2, static key => new Item(key));
            int entries = 0;
            foreach (KeyValuePair<int, Item> entry in map.Entries(section))
            {
                Assert.Same(second, entry.Value);
                entries++;
            }

            Assert.Equal(1, entries);
        }

        await _domain.BarrierAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, first.Disposals);
    }

    [Fact]
    public void Sections_that_protect_nothing_are_refused()
    {
        using var map = new ReadMostlyMap<int, Item>(_domain);
        using var other = new RcuDomain();
        Assert.Throws<InvalidOperationException>(() => map.TryGetValue(default(RcuReadSection), 1, out _));
        Assert.Throws<InvalidOperationException>(() =>
        {
            using RcuReadSection section = other.EnterReadSection();
            map.TryGetValue(in section, 1, out _);
        });
        Assert.Throws<InvalidOperationException>(() => map.GetOrAdd(default(RcuReadSection), 1, _ => new Item(1)));
        Assert.Throws<InvalidOperationException>(() =>
        {
            foreach (KeyValuePair<int, Item> unused in map.Entries(default(RcuReadSection))) { }
        });
        foreach (KeyValuePair<int, Item> unused in default(ReadMostlyMap<int, Item>.EntryEnumerator))
        {
            Assert.Fail("a default enumerator has no entries");
        }
    }

    [Fact]
    public void A_map_that_was_disposed_of_has_retired_everything_and_refuses_the_rest()
    {
        var map = new ReadMostlyMap<int, Item>(_domain);
        Item[] items = [.. Enumerable.Range(0, 100).Select(number => new Item(number))];
        Array.ForEach(items, item => map.Set((int)item.Number, item));
        Assert.Equal(100, map.Count);
        map.Dispose();
        map.Dispose();
        _domain.Barrier();
        Assert.All(items, item => Assert.Equal(1, item.Disposals));
        Assert.Throws<ObjectDisposedException>(() => map.Set(1, new Item(1)));
        Assert.Throws<ObjectDisposedException>(() => map.TryAdd(1, new Item(1)));
        Assert.Throws<ObjectDisposedException>(() => map.TryUpdate(1, items[1], new Item(1)));
        Assert.Throws<ObjectDisposedException>(() => map.TryRemove(1));
        Assert.Throws<ObjectDisposedException>(() => map.ContainsKey(1));
        Assert.Throws<ObjectDisposedException>(map.Clear);
        Assert.Throws<ObjectDisposedException>(() =>
        {
            using RcuReadSection section = _domain.EnterReadSection();
            map.TryGetValue(in section, 1, out _);
        });
    }

    [Fact]
    public void A_value_made_in_vain_is_retired_and_null_is_no_value()
    {
        using var map = new ReadMostlyMap<string, Item>(_domain, StringComparer.OrdinalIgnoreCase);
        var quicker = new Item(1);
        var inVain = new Item(2);
        using (RcuReadSection section = _domain.EnterReadSection())
        {
            Item found = map.GetOrAdd(
                in section,
                "KEY",
                _ =>
                {
                    map.Set("key", quicker);
                    return inVain;
                }
            );
            Assert.Same(quicker, found);
            Assert.Same(quicker, map.GetOrAdd(in section, "Key", _ => throw new InvalidOperationException()));
        }

        _domain.Barrier();
        Assert.Equal(1, inVain.Disposals);
        Assert.Equal(0, quicker.Disposals);
        Assert.Throws<InvalidOperationException>(() =>
        {
            using RcuReadSection section = _domain.EnterReadSection();
            map.GetOrAdd(in section, "other", _ => null!);
        });
        Assert.Throws<ArgumentNullException>(() => map.Set("key", null!));
        Assert.Throws<ArgumentNullException>(() => map.Set(null!, inVain));
        Assert.Throws<ArgumentNullException>(() => map.ContainsKey(null!));
    }

    [Fact]
    public void A_value_that_is_made_and_is_in_the_map_already_is_not_disposed_of()
    {
        using var map = new ReadMostlyMap<string, Item>(_domain);
        var memoised = new Item(1);
        using (RcuReadSection section = _domain.EnterReadSection())
        {
            Assert.Same(
                memoised,
                map.GetOrAdd(
                    in section,
                    "key",
                    key =>
                    {
                        map.Set(key, memoised);
                        return memoised;
                    }
                )
            );
        }

        _domain.Barrier();
        Assert.Equal(0, memoised.Disposals);
        Assert.Equal(1, map.Count);
    }

    [Fact]
    public void Keys_that_collide_are_distinguished()
    {
        using var map = new ReadMostlyMap<Colliding, Item>(_domain);
        for (int key = 0; key < 40; key++)
        {
            Assert.True(map.TryAdd(new Colliding(key), new Item(key)));
        }

        Assert.True(map.TryRemove(new Colliding(20)));
        Assert.False(map.TryRemove(new Colliding(20)));
        using RcuReadSection section = _domain.EnterReadSection();
        for (int key = 0; key < 40; key++)
        {
            Assert.Equal(key != 20, map.TryGetValue(in section, new Colliding(key), out Item? item));
            Assert.True(key == 20 || item!.Number == key);
        }
    }

    private static void AssertSame(
        Dictionary<int, Item> expected,
        ReadMostlyMap<int, Item> map,
        in RcuReadSection section
    )
    {
        Assert.Equal(expected.Count, map.Count);
        int entries = 0;
        foreach (KeyValuePair<int, Item> entry in map.Entries(in section))
        {
            Assert.Same(expected[entry.Key], entry.Value);
            entries++;
        }

        Assert.Equal(expected.Count, entries);
        for (int key = 0; key < 50; key++)
        {
            Assert.Equal(expected.TryGetValue(key, out Item? value), map.TryGetValue(in section, key, out Item? found));
            Assert.Same(value, found);
            Assert.Equal(value is not null, map.ContainsKey(key));
        }
    }

    private readonly record struct Colliding(int Key)
    {
        public override int GetHashCode() => 1;
    }

    private sealed class Item(long number) : IDisposable
    {
        private int _disposals;

        public long Number => number;

        public int Disposals => Volatile.Read(ref _disposals);

        public void Dispose() => Interlocked.Increment(ref _disposals);
    }
}
