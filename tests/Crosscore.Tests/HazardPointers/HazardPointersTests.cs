using Crosscore.HazardPointers;

namespace Crosscore.Tests.HazardPointers;

/// <summary>What a domain, its handles and its cohorts promise one thread after another.</summary>
public sealed class HazardPointersTests : IDisposable
{
    private readonly HazardDomain _domain = new();
    private readonly List<object> _reclaimed = [];
    private readonly List<nint> _freed = [];

    public void Dispose() => _domain.Dispose();

    [Fact]
    public void The_example_of_the_documentation_runs()
    {
        // shown
        Settings? current = new() { Path = "old" };
        var closed = new List<string>();

        using var domain = new HazardDomain(executor: HazardExecutor.Caller);
        using (HazardPointer hazard = domain.Acquire())
        {
            Settings? seen = hazard.Protect(ref current); // not reclaimed while the handle protects it
            Settings? old = Interlocked.Exchange(ref current, new() { Path = "new" });
            domain.Retire(old!, settings => closed.Add(settings.Path)); // when no thread protects it any more
            domain.Reclaim();
            Assert.Equal("old", seen!.Path);
            Assert.Empty(closed);
        }

        domain.Reclaim();
        Assert.Equal(["old"], closed);
        // end
    }

    [Fact]
    public void A_protected_object_is_reclaimed_when_its_handle_is_disposed_of()
    {
        object? source = new();
        object first = source;
        using (HazardPointer hazard = _domain.Acquire())
        {
            Assert.Same(first, hazard.Protect(ref source));
            source = null;
            Retire(first);
            Assert.Equal(1, _domain.Reclaim());
            Assert.Empty(_reclaimed);
        }

        Assert.Equal(0, _domain.Reclaim());
        Assert.Same(first, Assert.Single(_reclaimed));
    }

    [Fact]
    public void A_protected_pointer_is_freed_when_it_is_not_protected_any_more()
    {
        nint source = 64;
        using HazardPointer hazard = _domain.Acquire();
        Assert.Equal(64, hazard.Protect(ref source));
        source = 128;
        _domain.Retire(64, _freed.Add);
        Assert.Equal(1, _domain.Reclaim());

        Assert.Equal(128, hazard.Protect(ref source)); // protects another one now
        Assert.Equal(0, _domain.Reclaim());
        _domain.Retire(128, _freed.Add);
        Assert.Equal(1, _domain.Reclaim());
        hazard.Clear();
        Assert.Equal(0, _domain.Reclaim());
        Assert.Equal([64, 128], _freed);
    }

    [Fact]
    public void A_handle_protects_an_object_and_a_pointer_at_once()
    {
        object? source = new();
        nint pointer = 64;
        using HazardPointer hazard = _domain.Acquire();
        hazard.Protect(ref source);
        hazard.Protect(ref pointer);
        Retire(source!);
        _domain.Retire(64, _freed.Add);
        Assert.Equal(2, _domain.Reclaim());
        hazard.Clear();
        Assert.Equal(0, _domain.Reclaim());
    }

    [Fact]
    public void Objects_are_distinguished_by_identity_not_by_equality()
    {
        string? source = new('x', 3);
        string equal = new('x', 3);
        using HazardPointer hazard = _domain.Acquire();
        hazard.Protect(ref source);
        Retire(equal);
        Assert.Equal(0, _domain.Reclaim());
        Assert.Same(equal, Assert.Single(_reclaimed));
    }

    [Fact]
    public void An_object_that_the_collector_moves_stays_protected()
    {
        object? source = new byte[100];
        using HazardPointer hazard = _domain.Acquire();
        hazard.Protect(ref source);
        Retire(source!);
        GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
        Assert.Equal(1, _domain.Reclaim());
        hazard.Clear();
        Assert.Equal(0, _domain.Reclaim());
    }

    [Fact]
    public void An_empty_source_protects_nothing()
    {
        object? source = null;
        nint pointer = 0;
        using HazardPointer hazard = _domain.Acquire();
        Assert.Null(hazard.Protect(ref source));
        Assert.Equal(0, hazard.Protect(ref pointer));
    }

    [Fact]
    public void An_attempt_on_a_source_that_has_changed_fails_and_protects_nothing()
    {
        object? source = new();
        object? old = new();
        object wasOld = old;
        using HazardPointer hazard = _domain.Acquire();
        Assert.False(hazard.TryProtect(ref old, ref source));
        Assert.Same(source, old);
        Retire(wasOld);
        Retire(source!);
        Assert.Equal(0, _domain.Reclaim());
        Assert.True(hazard.TryProtect(ref old, ref source));
        Retire(source!);
        Assert.Equal(1, _domain.Reclaim());

        nint pointers = 64;
        nint stale = 128;
        Assert.False(hazard.TryProtect(ref stale, ref pointers));
        Assert.Equal(64, stale);
        Assert.True(hazard.TryProtect(ref stale, ref pointers));
    }

    [Fact]
    public void An_array_protects_several_objects_and_swapping_leaves_none_unprotected()
    {
        object?[] sources = [new(), new(), new()];
        object[] objects = [.. sources!];
        using HazardPointerArray hazards = _domain.Acquire(3);
        Assert.Equal(3, hazards.Count);
        for (int index = 0; index < 3; index++)
        {
            hazards[index].Protect(ref sources[index]);
        }

        _domain.RetireAll<object>(objects, _reclaimed.Add);
        Assert.Equal(3, _domain.Reclaim());
        hazards.Swap(0, 2);
        Assert.Equal(3, _domain.Reclaim());
        hazards[0].Clear(); // the one that protects the third object
        Assert.Equal(2, _domain.Reclaim());
        Assert.Same(objects[2], Assert.Single(_reclaimed));
        hazards[1].Dispose();
        Assert.Equal(1, _domain.Reclaim());
        hazards.Dispose();
        Assert.Equal(0, _domain.Reclaim());
        hazards.Dispose();
    }

    [Fact]
    public void An_array_has_one_to_eight_handles()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => _domain.Acquire(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => _domain.Acquire(HazardPointerArray.MaxCount + 1));
        using HazardPointerArray most = _domain.Acquire(HazardPointerArray.MaxCount);
        Assert.Equal(HazardPointerArray.MaxCount, most.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            HazardPointerArray none = default;
            none[0].Clear();
        });
        Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            HazardPointerArray none = default;
            none.Swap(0, 0);
        });
    }

    [Fact]
    public void A_default_handle_throws_and_can_be_disposed_of()
    {
        Assert.Throws<InvalidOperationException>(() =>
        {
            object? source = new();
            HazardPointer none = default;
            none.Protect(ref source);
        });
        Assert.Throws<InvalidOperationException>(() =>
        {
            HazardPointer none = default;
            none.Clear();
        });
        HazardPointer disposable = default;
        disposable.Dispose();
    }

    [Fact]
    public void A_copy_of_a_disposed_handle_neither_protects_nor_disturbs_the_next_user_of_the_slot()
    {
        object? source = new();
        HazardPointer first = _domain.Acquire();
        HazardPointer copy = first;
        first.Dispose();
        first.Dispose();
        using HazardPointer second = _domain.Acquire(); // gets the same slot
        second.Protect(ref source);
        copy.Dispose();
        bool refused = false;
        try
        {
            copy.Protect(ref source);
        }
        catch (InvalidOperationException)
        {
            refused = true;
        }

        Assert.True(refused);
        Retire(source!);
        Assert.Equal(1, _domain.Reclaim());
        using HazardPointer third = _domain.Acquire();
        object? other = new();
        third.Protect(ref other);
        Assert.Equal(1, _domain.Reclaim()); // the second handle has its slot for itself
    }

    [Fact]
    public void A_scan_comes_when_enough_have_gathered_by_count_or_by_bytes()
    {
        using var domain = new HazardDomain(scanThreshold: 10, scanBytes: 1000, executor: HazardExecutor.Caller);
        for (int index = 1; index < 10; index++)
        {
            domain.Retire(new object(), _reclaimed.Add);
        }

        Assert.Empty(_reclaimed);
        domain.Retire(new object(), _reclaimed.Add);
        Assert.Equal(10, _reclaimed.Count);

        domain.Retire(new object(), _reclaimed.Add, bytes: 999);
        Assert.Equal(10, _reclaimed.Count);
        Assert.Equal(999, domain.RetiredBytes);
        domain.Retire(new object(), _reclaimed.Add, bytes: 1);
        Assert.Equal(12, _reclaimed.Count);
        Assert.Equal(0, domain.RetiredBytes);
    }

    [Fact]
    public void What_a_sleeping_reader_protects_does_not_hold_up_the_rest()
    {
        using var domain = new HazardDomain(scanThreshold: 10, executor: HazardExecutor.Caller);
        object? source = new();
        HazardPointer hazard = domain.Acquire();
        hazard.Protect(ref source);
        domain.Retire(source!, _reclaimed.Add);
        for (int index = 0; index < 10_000; index++)
        {
            domain.Retire(new object(), _ => { });
            Assert.True(domain.RetiredCount <= domain.ScanThreshold + domain.SlotCount);
        }

        Assert.Empty(_reclaimed);
        hazard.Dispose();
    }

    [Fact]
    public void A_callback_that_throws_loses_nothing()
    {
        int calls = 0;
        nint[] pointers = [1, 2, 3, 4];
        _domain.RetireAll(
            pointers,
            pointer =>
            {
                calls++;
                if (pointer % 2 == 0)
                {
                    throw new InvalidOperationException($"cannot free {pointer}");
                }
            }
        );
        AggregateException failed = Assert.Throws<AggregateException>(() => _domain.Reclaim());
        Assert.Equal(2, failed.InnerExceptions.Count);
        Assert.Equal(4, calls);
        Assert.Equal(0, _domain.Reclaim());
        Assert.Equal(4, calls);
    }

    [Fact]
    public void A_retirement_that_runs_a_failing_callback_has_retired_its_own_object()
    {
        using var domain = new HazardDomain(scanThreshold: 2, executor: HazardExecutor.Caller);
        object? source = new();
        using HazardPointer hazard = domain.Acquire();
        hazard.Protect(ref source);
        for (int index = 0; index < domain.SlotCount; index++)
        {
            domain.Retire(new object(), _ => throw new InvalidOperationException());
        }

        domain.Retire(new object(), _reclaimed.Add);
        Assert.Throws<AggregateException>(() => domain.Retire(source!, _reclaimed.Add));
        Assert.Equal(1, domain.RetiredCount);
        hazard.Clear();
        Assert.Equal(0, domain.Reclaim());
        Assert.Equal(2, _reclaimed.Count);
    }

    [Fact]
    public void Callbacks_may_retire_and_a_long_chain_is_no_deep_recursion()
    {
        using var domain = new HazardDomain(scanThreshold: 1, executor: HazardExecutor.Caller);
        int left = 200_000;
        void RetireNext(object _)
        {
            if (left-- > 0)
            {
                domain.Retire(new object(), RetireNext);
            }
        }

        domain.Retire(new object(), RetireNext);
        while (domain.Reclaim() > 0) { }

        Assert.Equal(-1, left);
    }

    [Fact]
    public void A_thread_may_retire_and_scan_while_it_protects()
    {
        using var domain = new HazardDomain(scanThreshold: 1, executor: HazardExecutor.Caller);
        object? source = new();
        using HazardPointer hazard = domain.Acquire();
        for (int round = 0; round < 1000; round++)
        {
            object? seen = hazard.Protect(ref source);
            source = new object();
            domain.Retire(seen!, _reclaimed.Add);
        }

        hazard.Clear();
        domain.Reclaim();
        Assert.Equal(1000, _reclaimed.Distinct(ReferenceEqualityComparer.Instance).Count());
    }

    [Fact]
    public void Bad_arguments_retire_nothing()
    {
        Assert.Throws<ArgumentNullException>(() => _domain.Retire<object>(null!, _ => { }));
        Assert.Throws<ArgumentNullException>(() => _domain.Retire(new object(), null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => _domain.Retire(new object(), _ => { }, bytes: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => _domain.Retire(0, _ => { }));
        Assert.Throws<ArgumentNullException>(() => _domain.RetireAll<object>([new(), null!], _ => { }));
        Assert.Throws<ArgumentOutOfRangeException>(() => _domain.RetireAll([1, 0], _ => { }));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            new HazardDomain(scanThreshold: 0, executor: HazardExecutor.Caller)
        );
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            new HazardDomain(scanBytes: 0, executor: HazardExecutor.Caller)
        );
        _domain.RetireAll([], _ => { });
        Assert.Equal(0, _domain.RetiredCount);
    }

    [Fact]
    public void A_closed_domain_has_reclaimed_everything_and_refuses_the_rest()
    {
        Retire(new object());
        _domain.Dispose();
        _domain.Dispose();
        Assert.Single(_reclaimed);
        Assert.Throws<ObjectDisposedException>(() => _domain.Acquire());
        Assert.Throws<ObjectDisposedException>(() => _domain.Acquire(2));
        Assert.Throws<ObjectDisposedException>(() => Retire(new object()));
        Assert.Throws<ObjectDisposedException>(() => _domain.CreateCohort());
        Assert.Throws<InvalidOperationException>(HazardDomain.Default.Dispose);
    }

    private void Retire(object value) => _domain.Retire(value, _reclaimed.Add);

    private sealed class Settings
    {
        public required string Path { get; init; }
    }
}
