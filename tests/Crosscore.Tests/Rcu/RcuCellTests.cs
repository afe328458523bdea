using Crosscore.Rcu;

namespace Crosscore.Tests.Rcu;

/// <summary>A value that is replaced under its readers.</summary>
public sealed class RcuCellTests : IDisposable
{
    private readonly RcuDomain _domain = new();

    public void Dispose() => _domain.Dispose();

    [Fact]
    public void The_old_value_is_disposed_of_when_its_last_reader_has_left()
    {
        var first = new Resource();
        var second = new Resource();
        using var cell = new RcuCell<Resource>(first, _domain);
        using (cell.Read(out Resource seen))
        {
            cell.Replace(second);
            Assert.Same(first, seen);
            using (cell.Read(out Resource now))
            {
                Assert.Same(second, now);
            }

            Assert.False(first.IsDisposed);
        }

        _domain.Barrier();
        Assert.True(first.IsDisposed);
        Assert.False(second.IsDisposed);
    }

    [Fact]
    public void A_value_is_replaced_only_if_it_is_the_expected_one()
    {
        var first = new Resource();
        var second = new Resource();
        using var cell = new RcuCell<Resource>(first, _domain);
        Assert.False(cell.TryReplace(second, second));
        Assert.True(cell.TryReplace(first, first));
        Assert.True(cell.TryReplace(first, second));
        _domain.Barrier();
        Assert.Equal(1, first.Disposals);
        Assert.Equal(0, second.Disposals);
    }

    [Fact]
    public void Writers_at_the_same_time_dispose_of_each_old_value_once()
    {
        var values = new List<Resource>();
        var cell = new RcuCell<Resource>(New(), _domain);
        Background[] writers =
        [
            .. Enumerable
                .Range(0, 4)
                .Select(_ => new Background(() =>
                {
                    for (int i = 0; i < 1_000; i++)
                    {
                        cell.Replace(New());
                    }
                })),
        ];
        Array.ForEach(writers, writer => writer.Join());
        cell.Dispose();
        cell.Dispose();
        _domain.Barrier();
        Assert.Equal(4_001, values.Count);
        Assert.All(values, value => Assert.Equal(1, value.Disposals));

        Resource New()
        {
            var value = new Resource();
            lock (values)
            {
                values.Add(value);
            }

            return value;
        }
    }

    [Fact]
    public void Old_values_are_given_to_a_callback_with_their_size()
    {
        var reclaimed = new List<int>();
        using var cell = new RcuCell<int[]>(
            [1],
            _domain,
            old => reclaimed.Add(old[0]),
            size: value => 4 * value.Length
        );
        using (_domain.EnterReadSection())
        {
            cell.Replace([2]);
            Assert.Equal(4, _domain.Statistics.PendingBytes);
        }

        _domain.Barrier();
        Assert.Equal([1], reclaimed);
    }

    [Fact]
    public void A_size_that_throws_loses_no_value()
    {
        var reclaimed = new List<int>();
        var cell = new RcuCell<int[]>(
            [1],
            _domain,
            old => reclaimed.Add(old[0]),
            size: _ => throw new InvalidOperationException("size")
        );
        _ = Assert.Throws<InvalidOperationException>(() => cell.Replace([2]));
        _domain.Barrier();
        Assert.Empty(reclaimed);
        _ = Assert.Throws<InvalidOperationException>(cell.Dispose);
        _domain.Barrier();
        Assert.Equal([1], reclaimed);
        cell.Dispose();
    }

    [Fact]
    public void A_section_that_protects_nothing_is_refused()
    {
        using var cell = new RcuCell<Resource>(new Resource(), _domain);
        using var other = new RcuDomain();
        Assert.Contains(
            "default or has been left",
            Refusal(() => cell.Read(default(RcuReadSection))),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "default or has been left",
            Refusal(() =>
            {
                RcuReadSection left = _domain.EnterReadSection();
                left.Dispose();
                return cell.Read(left);
            }),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "another domain",
            Refusal(() =>
            {
                using RcuReadSection foreign = other.EnterReadSection();
                return cell.Read(foreign);
            }),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "another domain",
            Refusal(() =>
            {
                using RcuAsyncReadSection foreign = other.EnterAsyncReadSection();
                return cell.Read(foreign);
            }),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "has been left",
            Refusal(() =>
            {
                RcuAsyncReadSection left = _domain.EnterAsyncReadSection();
                left.Dispose();
                return cell.Read(left);
            }),
            StringComparison.Ordinal
        );
        Assert.False(_domain.IsInReadSection || other.IsInReadSection);
    }

    [Fact]
    public void A_cell_that_has_been_disposed_of_refuses_and_leaves_no_section_behind()
    {
        var cell = new RcuCell<Resource>(new Resource(), _domain);
        cell.Dispose();
        _ = Assert.Throws<ObjectDisposedException>(() =>
        {
            using RcuReadSection section = cell.Read(out Resource _);
        });
        Assert.False(_domain.IsInReadSection);
        var mine = new Resource();
        _ = Assert.Throws<ObjectDisposedException>(() => cell.Replace(mine));
        _domain.Barrier();
        Assert.False(mine.IsDisposed);
    }

    private static string Refusal(Func<Resource> read) =>
        Assert
            .Throws<InvalidOperationException>(() =>
            {
                _ = read();
            })
            .Message;

    private sealed class Resource : IDisposable
    {
        private int _disposals;

        public int Disposals => Volatile.Read(ref _disposals);

        public bool IsDisposed => Disposals > 0;

        public void Dispose() => Interlocked.Increment(ref _disposals);
    }
}
