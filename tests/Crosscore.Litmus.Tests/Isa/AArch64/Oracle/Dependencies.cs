namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// The reads that a value hangs on: <see cref="Basic"/> as the manual's dependencies through registers and memory,
/// <see cref="Pick"/> also where the value was only chosen by them (CSEL's flags, the comparison of CAS). The second
/// contains the first.
/// </summary>
internal readonly record struct Taint(ulong Basic, ulong Pick)
{
    public static Taint operator |(Taint left, Taint right) => new(left.Basic | right.Basic, left.Pick | right.Pick);

    public static Taint Of(int @event) => new(1UL << @event, 1UL << @event);

    public Taint AsPick => new(0, Pick);
}

/// <summary>What an access hangs on, and what the branches before it hang on.</summary>
/// <param name="Address">Through its address registers.</param>
/// <param name="Data">Of a write, through the register that is stored.</param>
/// <param name="All">Through anything that reaches the access, the newest earlier write to its location among
/// it.</param>
/// <param name="Control">Through the registers of branches before it.</param>
internal readonly record struct AccessTaint(Taint Address, Taint Data, Taint All, Taint Control);

/// <summary>Follows dependencies through the registers and the memory of one thread.</summary>
internal sealed class Dependencies
{
    private readonly EventTable _events;
    private readonly Func<int, bool> _compareResultFromRegister;
    private readonly Taint[] _registers = new Taint[Instruction.RegisterCount];
    private Taint _control;

    private Dependencies(EventTable events, Func<int, bool> compareResultFromRegister)
    {
        _events = events;
        _compareResultFromRegister = compareResultFromRegister;
        Accesses = new AccessTaint[events.Count];
    }

    /// <summary>Of each access.</summary>
    public AccessTaint[] Accesses { get; }

    /// <summary>Of each ISB, by thread and step: what the branches before it hang on.</summary>
    public Dictionary<(int Thread, int Step), Taint> ControlAtIsb { get; } = [];

    /// <summary>The dependencies of all threads.</summary>
    /// <param name="execution">The execution.</param>
    /// <param name="events">Its events.</param>
    /// <param name="compareResultFromRegister"> Of the read of a compare-and-swap that stored: the result is equal to
    /// the compared register and to memory, and may come from either; whether from the register.
    /// </param>
    public static Dependencies Of(Execution execution, EventTable events, Func<int, bool> compareResultFromRegister)
    {
        var dependencies = new Dependencies(events, compareResultFromRegister);
        for (int thread = 0; thread < execution.Paths.Count; thread++)
        {
            Array.Clear(dependencies._registers);
            dependencies._control = default;
            for (int step = 0; step < execution.Paths[thread].Steps.Count; step++)
            {
                dependencies.Pass(execution.Paths[thread].Steps[step]);
                if (execution.Paths[thread].Steps[step].Instruction is Barrier { Kind: BarrierKind.Isb })
                {
                    dependencies.ControlAtIsb.Add((thread, step), dependencies._control);
                }
            }
        }

        return dependencies;
    }

    private void Pass(Step step)
    {
        switch (step.Instruction)
        {
            case Operate operate:
                Taint result = operate.Sources.Aggregate(default(Taint), (taint, source) => taint | _registers[source]);
                Set(operate.Target, result);
                if (operate.NewFlags is not null)
                {
                    _registers[Instruction.Flags] = result;
                }

                break;

            case Select select:
                Set(
                    select.Target,
                    _registers[step.TookFirst!.Value ? select.IfTrue : select.IfFalse]
                        | _registers[Instruction.Flags].AsPick
                );
                break;

            case Jump { IsConditional: true } jump:
                _control |= _registers[jump.Source];
                break;

            case Load load:
                Taint loadAddress = Through(load.Address);
                Taint[] loaded = [.. step.Accesses.Select(access => Read(access, loadAddress))];
                WriteBack(load.Address);
                for (int index = 0; index < loaded.Length; index++)
                {
                    Set(load.Targets[index], loaded[index]);
                }

                break;

            case Store store:
                Taint storeAddress = Through(store.Address);
                for (int index = 0; index < step.Accesses.Count; index++)
                {
                    Write(step.Accesses[index], storeAddress, _registers[store.Sources[index]], default);
                }

                WriteBack(store.Address);
                break;

            case StoreExclusive store:
                if (step.Accesses.Count > 0)
                {
                    Write(step.Accesses[0], Through(store.Address), _registers[store.Source], default);
                }

                // The status depends on nothing: it may be predicted.
                Set(store.Status, default);
                break;

            case Atomic atomic:
                Taint old = Read(step.Accesses[0], Through(atomic.Address));
                Write(
                    step.Accesses[1],
                    Through(atomic.Address),
                    _registers[atomic.Operand],
                    atomic.IsSwap ? old.AsPick : old
                );
                Set(atomic.Target, old);
                break;

            case CompareSwap swap:
                Taint found = Read(step.Accesses[0], Through(swap.Address));
                Taint compare = _registers[swap.Compare];
                bool fromRegister = false;
                if (step.Accesses.Count == 2)
                {
                    Write(
                        step.Accesses[1],
                        Through(swap.Address),
                        _registers[swap.Source],
                        compare.AsPick | found.AsPick
                    );
                    fromRegister = _compareResultFromRegister(_events.IndexOf(step.Accesses[0].Id));
                }

                Set(swap.Compare, fromRegister ? compare | found.AsPick : found);
                break;
        }
    }

    // What a read gives hangs on the read itself, on what its address hung on, and on what the newest earlier write to
    // its location hung on.
    private Taint Read(Access access, Taint address)
    {
        int read = _events.IndexOf(access.Id);
        Taint all = address;
        foreach (int write in _events.LocalSources(read))
        {
            all |= Accesses[write].All;
        }

        Accesses[read] = new AccessTaint(address, default, all, _control);
        return all | Taint.Of(read);
    }

    private void Write(Access access, Taint address, Taint data, Taint inside) =>
        Accesses[_events.IndexOf(access.Id)] = new AccessTaint(address, data, address | data | inside, _control);

    private Taint Through(Address address) => _registers[address.Base] | _registers[address.Index];

    private void WriteBack(Address address)
    {
        if (address.WriteBack is not null)
        {
            Set(address.Base, _registers[address.Base]);
        }
    }

    private void Set(int register, Taint taint)
    {
        if (register != Instruction.Zero)
        {
            _registers[register] = taint;
        }
    }
}
