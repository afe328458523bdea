namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// What the architecture orders within each thread: dependencies (dob, pob), read-modify-writes (aob), barriers and the
/// annotations of accesses (bob), and accesses before later writes to their location (lws). DMB and DSB of the three
/// reaching domains are one, since all observers are in one domain.
/// </summary>
internal sealed class LocalOrder
{
    private readonly Execution _execution;
    private readonly EventTable _events;
    private readonly Dependencies _dependencies;
    private readonly Clauses _clauses;
    private readonly Relation _order;

    private LocalOrder(Execution execution, EventTable events, Dependencies dependencies, Clauses clauses)
    {
        _execution = execution;
        _events = events;
        _dependencies = dependencies;
        _clauses = clauses;
        _order = new Relation(events.Count);
    }

    public static Relation Of(Execution execution, EventTable events, Dependencies dependencies, Clauses clauses)
    {
        var local = new LocalOrder(execution, events, dependencies, clauses);
        for (int later = 0; later < events.Count; later++)
        {
            local.AddDependencies(later);
            local.AddPicks(later);
            for (int earlier = 0; earlier < events.Count; earlier++)
            {
                if (events.Before(earlier, later))
                {
                    local.AddPair(earlier, later);
                }
                else if (earlier != later && events.SameStep(earlier, later))
                {
                    local.AddInside(earlier, later);
                }
            }
        }

        local.AddExclusives();
        local.AddForwarding();
        if (local.Has(Clauses.PickBeforeLocal))
        {
            local.AddPickBeforeLocal();
        }

        return local._order;
    }

    private bool Has(Clauses clause) => (_clauses & clause) != 0;

    private void AddIf(Clauses clause, ulong from, int to)
    {
        if (Has(clause))
        {
            _order.AddAll(WithoutOwn(from, to), to);
        }
    }

    // A dependency is between instructions.
    private ulong WithoutOwn(ulong from, int to)
    {
        for (int index = 0; index < _events.Count; index++)
        {
            if (_events.SameStep(index, to))
            {
                from &= ~(1UL << index);
            }
        }

        return from;
    }

    private void AddDependencies(int later)
    {
        AccessTaint taint = _dependencies.Accesses[later];
        AddIf(Clauses.AddressDependency, taint.Address.Basic, later);
        if (_events[later].IsWrite)
        {
            AddIf(Clauses.DataDependency, taint.Data.Basic, later);
            AddIf(Clauses.ControlDependency, taint.Control.Basic, later);
            AddIf(Clauses.PickDependency, taint.All.Pick | taint.Control.Pick, later);
        }
    }

    private void AddPicks(int later)
    {
        AccessId id = _events[later].Id;
        IReadOnlyList<Step> steps = _execution.Paths[id.Thread].Steps;
        int isb = id.Step;
        while (isb >= 0 && steps[isb].Instruction is not Barrier { Kind: BarrierKind.Isb })
        {
            isb--;
        }

        for (int middle = 0; middle < _events.Count; middle++)
        {
            if (!_events.Before(middle, later))
            {
                continue;
            }

            Taint address = _dependencies.Accesses[middle].Address;
            if (_events[later].IsWrite)
            {
                AddIf(Clauses.AddressBeforeWrite, WithoutOwn(address.Basic, middle), later);
                AddIf(Clauses.PickDependency, WithoutOwn(address.Pick, middle), later);
            }

            if (_events[middle].Id.Step < isb)
            {
                AddIf(Clauses.ContextSynchronization, WithoutOwn(address.Basic, middle), later);
                AddIf(Clauses.PickDependency, WithoutOwn(address.Pick, middle), later);
            }
        }

        if (isb >= 0)
        {
            Taint control = _dependencies.ControlAtIsb[(id.Thread, isb)];
            AddIf(Clauses.ContextSynchronization, control.Basic, later);
            AddIf(Clauses.PickDependency, control.Pick, later);
        }
    }

    private void AddPair(int earlier, int later)
    {
        Access first = _events[earlier];
        Access second = _events[later];
        bool full = Between(first, second, BarrierKind.DmbFull, BarrierKind.DsbFull);
        bool load =
            !first.IsWrite
            && !Is(first, Annotation.NoReturn)
            && Between(first, second, BarrierKind.DmbLoad, BarrierKind.DsbLoad);
        bool store =
            first.IsWrite && second.IsWrite && Between(first, second, BarrierKind.DmbStore, BarrierKind.DsbStore);
        bool synchronized = first.IsWrite && Between(first, second, BarrierKind.DsbStore, BarrierKind.DsbStore);
        if (
            (Has(Clauses.LocalWriteSuccessor) && second.IsWrite && _events.Overlap(earlier, later))
            || (Has(Clauses.FullBarrier) && full)
            || (Has(Clauses.LoadBarrier) && load)
            || (Has(Clauses.StoreBarrier) && store)
            || (Has(Clauses.StoreSynchronization) && synchronized)
            || (Has(Clauses.AcquireOrder) && Is(first, Annotation.Acquire | Annotation.AcquirePc))
            || (Has(Clauses.ReleaseOrder) && Is(second, Annotation.Release))
            || (Has(Clauses.ReleaseBeforeAcquire) && Is(first, Annotation.Release) && Is(second, Annotation.Acquire))
            || (Has(Clauses.AcquireReleaseAtomic) && IsWriteOfAcquireRelease(first))
        )
        {
            _order.Add(earlier, later);
        }
    }

    // Between the accesses of one instruction: the read of an atomic before its write, and the order of ordered pairs.
    private void AddInside(int earlier, int later)
    {
        Access first = _events[earlier];
        Access second = _events[later];
        Instruction instruction = _execution.Paths[first.Id.Thread].Steps[first.Id.Step].Instruction;
        bool reversed = instruction is Store { Ordered: true, Address.WriteBack: not null };
        if (
            (instruction is Atomic or CompareSwap && !first.IsWrite && Has(Clauses.AtomicOrder))
            || (instruction is Load { Ordered: true } && first.Id.Slot < second.Id.Slot && Has(Clauses.AcquireOrder))
            || (
                instruction is Store { Ordered: true }
                && first.Id.Slot < second.Id.Slot != reversed
                && Has(Clauses.ReleaseOrder)
            )
        )
        {
            _order.Add(earlier, later);
        }
    }

    private void AddExclusives()
    {
        if (Has(Clauses.AtomicOrder))
        {
            foreach ((int read, int write) in ReadModifyWrites(_execution, _events))
            {
                _order.Add(read, write);
            }
        }
    }

    private void AddForwarding()
    {
        (int Read, int Write)[] atomics = [.. ReadModifyWrites(_execution, _events)];
        for (int read = 0; read < _events.Count; read++)
        {
            if (_events[read].IsWrite)
            {
                continue;
            }

            foreach (int write in _events.LocalSources(read))
            {
                AccessTaint taint = _dependencies.Accesses[write];
                AddIf(Clauses.DependentForwarding, WithoutOwn(taint.Address.Basic | taint.Data.Basic, write), read);
                foreach ((int first, int second) in atomics)
                {
                    if (
                        second == write
                        && Has(Clauses.AtomicForwarding)
                        && Is(_events[read], Annotation.Acquire | Annotation.AcquirePc)
                    )
                    {
                        _order.Add(first, read);
                    }
                }
            }
        }
    }

    private void AddPickBeforeLocal()
    {
        Relation closure = _order.Closure();
        for (int middle = 0; middle < _events.Count; middle++)
        {
            for (int write = 0; write < _events.Count; write++)
            {
                if (_events[write].IsWrite && closure.Has(middle, write))
                {
                    _order.AddAll(_dependencies.Accesses[middle].All.Pick, write);
                }
            }
        }
    }

    /// <summary>The read and the write of each atomic that stores, and of each exclusive pair.</summary>
    public static IEnumerable<(int Read, int Write)> ReadModifyWrites(Execution execution, EventTable events)
    {
        foreach (Path path in execution.Paths)
        {
            foreach (Step step in path.Steps)
            {
                if (step is { Instruction: Atomic or CompareSwap, Accesses.Count: 2 })
                {
                    yield return (events.IndexOf(step.Accesses[0].Id), events.IndexOf(step.Accesses[1].Id));
                }
                else if (step.Partner >= 0)
                {
                    yield return (
                        events.IndexOf(path.Steps[step.Partner].Accesses[0].Id),
                        events.IndexOf(step.Accesses[0].Id)
                    );
                }
            }
        }
    }

    private bool IsWriteOfAcquireRelease(Access access) =>
        access is { IsWrite: true, Id.Slot: 1 }
        && Is(access, Annotation.Release)
        && _execution.Paths[access.Id.Thread].Steps[access.Id.Step] is { Instruction: Atomic or CompareSwap } step
        && Is(step.Accesses[0], Annotation.Acquire);

    private bool Between(Access first, Access second, BarrierKind one, BarrierKind other)
    {
        for (int step = first.Id.Step + 1; step < second.Id.Step; step++)
        {
            if (
                _execution.Paths[first.Id.Thread].Steps[step].Instruction is Barrier barrier
                && (barrier.Kind == one || barrier.Kind == other)
            )
            {
                return true;
            }
        }

        return false;
    }

    private static bool Is(Access access, Annotation annotation) => (access.Annotation & annotation) != 0;
}
