using System.Runtime.CompilerServices;
using Crosscore.HazardPointers;
using Crosscore.Rcu;
using Crosscore.Structures;
using Crosscore.Tests.Rcu;

namespace Crosscore.Tests.Structures;

/// <summary>Structures whose domain has ended, and user functions that throw or come back: a member that throws has
/// changed nothing.</summary>
public sealed class StructureMisuseTests
{
    [Fact]
    public void After_the_end_of_its_domain_every_member_of_a_stack_throws_and_nothing_is_changed()
    {
        var domain = new HazardDomain();
        var stack = new NativeStack<int>(domain);
        stack.Push(1);
        domain.Dispose();
        _ = Assert.Throws<ObjectDisposedException>(() => stack.Push(2));
        _ = Assert.Throws<ObjectDisposedException>(() => stack.TryPop(out _));
        _ = Assert.Throws<ObjectDisposedException>(() => stack.IsEmpty);
        stack.Dispose();
        _ = Assert.Throws<ObjectDisposedException>(() => stack.IsEmpty);
    }

    [Fact]
    public void After_the_end_of_its_domain_every_member_of_a_queue_throws_and_nothing_is_changed()
    {
        var domain = new HazardDomain();
        var queue = new NativeQueue<int>(domain);
        queue.Enqueue(1);
        domain.Dispose();
        _ = Assert.Throws<ObjectDisposedException>(() => queue.Enqueue(2));
        _ = Assert.Throws<ObjectDisposedException>(() => queue.TryDequeue(out _));
        queue.Dispose();
        _ = Assert.Throws<ObjectDisposedException>(() => new NativeQueue<int>(domain));
        _ = Assert.Throws<ObjectDisposedException>(() => new NativeStack<int>(domain));
    }

    [Fact]
    public void A_function_of_sizes_that_throws_leaves_a_map_as_it_was()
    {
        using var domain = new RcuDomain();
        bool throws = false;
        int reclaimed = 0;
        var map = new ReadMostlyMap<string, object>(
            domain,
            reclaim: _ => reclaimed++,
            size: _ => throws ? throw new NotSupportedException() : 1
        );
        object first = new();
        map.Set("a", first);
        throws = true;
        using (RcuReadSection section = domain.EnterReadSection())
        {
            Refuses(() => map.Set("a", new object()));
            Refuses(() => map.Set("b", new object()));
            Refuses(() => map.TryAdd("b", new object()));
            Refuses(() => map.TryUpdate("a", first, new object()));
            Assert.True(map.TryGetValue(in section, "a", out object? found));
            Assert.Same(first, found);
            Assert.Equal(1, map.Count);
        }

        // What takes values out calls no function of the user's.
        Assert.True(map.TryRemove("a"));
        throws = false;
        map.Set("c", new object());
        map.Set("d", new object());
        throws = true;
        map.Clear();
        Assert.Equal(0, map.Count);
        throws = false;
        map.Set("e", new object());
        throws = true;
        map.Dispose();
        domain.Barrier();
        Assert.Equal(4, reclaimed);
    }

    [Fact]
    public void A_value_that_was_made_and_cannot_be_measured_is_retired()
    {
        using var domain = new RcuDomain();
        int reclaimed = 0;
        using var map = new ReadMostlyMap<string, object>(
            domain,
            reclaim: _ => reclaimed++,
            size: _ => throw new NotSupportedException()
        );
        using (RcuReadSection section = domain.EnterReadSection())
        {
            bool refused = false;
            try
            {
                _ = map.GetOrAdd(in section, "a", _ => new object());
            }
            catch (NotSupportedException)
            {
                refused = true;
            }

            Assert.True(refused);
            Assert.Equal(0, map.Count);
        }

        domain.Barrier();
        Assert.Equal(1, reclaimed);
    }

    [Fact]
    public void A_function_of_sizes_may_use_the_map()
    {
        using var domain = new RcuDomain();
        ReadMostlyMap<int, object>? map = null;
        int next = 1000;
        map = new ReadMostlyMap<int, object>(
            domain,
            size: value =>
            {
                if (next > 0)
                {
                    // so that the table grows while another member is in the middle
                    map!.Set(next--, value.ToString()!);
                    Assert.True(map.ContainsKey(next + 1));
                }

                return 1;
            }
        );
        map.Set(0, new object());
        Assert.Equal(1001, map.Count);
        Assert.True(map.TryRemove(0));
        Assert.False(map.ContainsKey(0));
        map.Dispose();
    }

    [Fact]
    public void A_function_of_sizes_that_leaves_a_section_open_is_refused_and_the_map_is_as_it_was()
    {
        using var domain = new RcuDomain();
        bool leavesOpen = false;
        int reclaimed = 0;
        var map = new ReadMostlyMap<string, object>(
            domain,
            reclaim: _ => reclaimed++,
            size: value =>
            {
                if (leavesOpen)
                {
                    _ = domain.EnterReadSection();
                    _ = domain.EnterReadSection();
                }

                return 1;
            }
        );
        object first = new();
        map.Set("a", first);
        leavesOpen = true;
        Refuses(() => map.Set("a", new object()));
        Refuses(() => map.Set("b", new object()));
        Refuses(() => map.TryAdd("b", new object()));
        Refuses(() => map.TryUpdate("a", first, new object()));
        Refuses(() =>
        {
            using RcuAsyncReadSection section = domain.EnterAsyncReadSection();
            _ = map.GetOrAdd(section, "b", _ => new object());
        });
        using (RcuReadSection section = domain.EnterReadSection())
        {
            RefusesInside(() => map.Set("a", new object()));
            Assert.True(map.TryGetValue(in section, "a", out object? found));
            Assert.Same(first, found);
        }

        Assert.False(domain.IsInReadSection);
        Assert.Equal(1, map.Count);
        domain.Barrier();
        Assert.Equal(1, reclaimed); // what GetOrAdd has made

        void Refuses(Action member)
        {
            RefusesInside(member);
            Assert.False(domain.IsInReadSection);
        }

        static void RefusesInside(Action member) =>
            Assert.Contains(
                "'using'",
                Assert.Throws<InvalidOperationException>(member).Message,
                StringComparison.Ordinal
            );
    }

    [Fact]
    public void A_function_that_makes_a_value_and_leaves_a_section_open_is_refused_and_the_value_is_retired()
    {
        using var domain = new RcuDomain();
        int reclaimed = 0;
        using var map = new ReadMostlyMap<string, object>(domain, reclaim: _ => reclaimed++);
        using (RcuAsyncReadSection section = domain.EnterAsyncReadSection())
        {
            Action leaveOpen = () =>
                map.GetOrAdd(
                    section,
                    "a",
                    key =>
                    {
                        _ = domain.EnterReadSection();
                        return new object();
                    }
                );
            InvalidOperationException refusal = Assert.Throws<InvalidOperationException>(leaveOpen);
            Assert.Contains("'using'", refusal.Message, StringComparison.Ordinal);
            Assert.False(domain.IsInReadSection);
            _ = Assert.Throws<NotSupportedException>(() =>
                map.GetOrAdd(
                    section,
                    "a",
                    key =>
                    {
                        _ = domain.EnterReadSection();
                        throw new NotSupportedException();
                    }
                )
            );
            Assert.False(domain.IsInReadSection);
        }

        Assert.Equal(0, map.Count);
        domain.Barrier();
        Assert.Equal(1, reclaimed);
    }

    /// <summary>
    /// A map of 400 values in a domain whose limit is 256, with a reader inside that never leaves: one wait of a second
    /// at most, and not one for each value.
    /// </summary>
    [Theory]
    [InlineData("Clear")]
    [InlineData("Dispose")]
    public void A_map_that_is_emptied_at_a_limit_waits_for_room_once(string member)
    {
        var domain = new RcuDomain(
            new RcuDomainOptions { MaxPendingCount = 256, BackPressureTimeout = TimeSpan.FromSeconds(1) }
        );
        int reclaimed = 0;
        var map = new ReadMostlyMap<int, object>(domain, reclaim: _ => Interlocked.Increment(ref reclaimed));
        for (int key = 0; key < 400; key++)
        {
            map.Set(key, new object());
        }

        using var inside = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        using var reader = new Background(() =>
        {
            using RcuReadSection section = domain.EnterReadSection();
            inside.Set();
            leave.Wait();
        });
        inside.Wait(TestContext.Current.CancellationToken);
        using var emptying = new Background(member == "Clear" ? map.Clear : map.Dispose);
        bool isOver = emptying.Thread.Join(Background.Bound);
        long overruns = domain.Statistics.Overruns;
        leave.Set();
        Assert.True(isOver, $"It has waited {overruns} times, and waits again.");
        domain.Barrier();
        Assert.Equal(400, reclaimed);
        domain.Dispose();
    }

    [Fact]
    public void A_comparer_that_changes_the_map_is_refused_and_breaks_nothing()
    {
        using var domain = new RcuDomain();
        var comparer = new Changing();
        using var map = new ReadMostlyMap<string, object>(domain, comparer);
        for (int key = 0; key < 5; key++)
        {
            map.Set($"{key}", new object());
        }

        comparer.Change = () => map.Set("another", new object());
        _ = Assert.Throws<InvalidOperationException>(() => map.TryRemove("2"));
        _ = Assert.Throws<InvalidOperationException>(() => map.Set("3", new object()));
        comparer.Change = map.Dispose;
        _ = Assert.Throws<InvalidOperationException>(() => map.TryAdd("4", new object()));
        comparer.Change = null;
        Assert.Equal(5, map.Count);
        Assert.True(map.TryRemove("2"));
        Assert.False(map.ContainsKey("2"));
    }

    [Fact]
    public void Sizes_at_the_ends_of_their_range_are_accepted()
    {
        using var domain = new RcuDomain(new RcuDomainOptions { BackPressureTimeout = TimeSpan.Zero });
        long size = long.MinValue;
        using var map = new ReadMostlyMap<int, object>(domain, reclaim: _ => { }, size: _ => size);
        map.Set(1, new object());
        size = long.MaxValue;
        map.Set(1, new object());
        map.Set(1, new object());
        map.Set(int.MinValue, new object());
        map.Set(int.MaxValue, new object());
        map.Clear();
        domain.Barrier();
        Assert.Equal(0, domain.Statistics.PendingBytes);
    }

    [Theory]
    [InlineData(int.MinValue, 8)]
    [InlineData(0, 8)]
    [InlineData(8, 8)]
    [InlineData(9, 16)]
    [InlineData((1 << 29) + 1, 1 << 30)]
    [InlineData(1 << 30, 1 << 30)]
    [InlineData(int.MaxValue, 1 << 30)]
    public void A_table_has_at_most_two_to_the_thirtieth_buckets(int capacity, int buckets)
    {
        Assert.Equal(buckets, MapTable<int, object>.BucketsFor(capacity));
        Assert.Equal(Math.Min(2L * buckets, 1 << 30), MapTable<int, object>.Doubled(buckets));
    }

    [Fact]
    public void A_map_that_holds_as_many_keys_as_can_be_counted_refuses_the_next_one()
    {
        using var domain = new RcuDomain();
        using var map = new ReadMostlyMap<int, object>(domain);
        map.Set(1, new object());
        CountOf(map) = int.MaxValue;
        _ = Assert.Throws<InvalidOperationException>(() => map.Set(2, new object()));
        Assert.Equal(int.MaxValue, map.Count);
        CountOf(map) = 1;
        map.Set(2, new object());
        Assert.Equal(2, map.Count);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_count")]
    private static extern ref int CountOf(ReadMostlyMap<int, object> map);

    private static void Refuses(Action action) => Assert.Throws<NotSupportedException>(action);

    private sealed class Changing : IEqualityComparer<string>
    {
        public Action? Change { get; set; }

        public bool Equals(string? left, string? right)
        {
            Change?.Invoke();
            return string.Equals(left, right, StringComparison.Ordinal);
        }

        public int GetHashCode(string value) => 1;
    }
}
