namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// An access of a path. Address and value are <see langword="null"/> as long as they hang on reads that are still open.
/// </summary>
internal sealed record Access(AccessId Id, bool IsWrite, ulong? Address, int Size, ulong? Value, Annotation Annotation)
{
    public bool Covers(ulong address) => address >= Address!.Value && address < Address.Value + (ulong)Size;

    public byte ByteAt(ulong address) => (byte)(Value!.Value >> (8 * (int)(address - Address!.Value)));
}

/// <summary>A step of a path: an instruction, its accesses, and how it went.</summary>
/// <param name="Instruction">The instruction.</param>
/// <param name="Accesses">Its accesses; an atomic has its read before its write.</param>
/// <param name="TookFirst">Of a select, whether the first register was chosen; of a store-exclusive or
/// compare-and-swap, whether it stores.</param>
/// <param name="Partner">Of a store-exclusive that stores, the step of its load-exclusive.</param>
internal sealed record Step(
    Instruction Instruction,
    IReadOnlyList<Access> Accesses,
    bool? TookFirst = null,
    int Partner = -1
);

/// <summary>
/// The way of one thread through its program, as far as the choices made so far tell: it stops at a jump whose register
/// is not known yet, and passes everything else, since later instructions may well happen before a value that they do
/// not need.
/// </summary>
internal sealed class Path
{
    private readonly int _thread;
    private readonly Choices _choices;
    private readonly ulong?[] _registers = new ulong?[Instruction.RegisterCount];
    private readonly List<Step> _steps = [];
    private int _exclusive = -1;

    private Path(int thread, OracleThread program, Choices choices, int mostVisits)
    {
        _thread = thread;
        _choices = choices;
        Array.Fill(_registers, 0UL);
        foreach ((int register, ulong value) in program.InitialRegisters)
        {
            _registers[register] = value;
        }

        _registers[Instruction.Zero] = 0;
        bool ended = Run(program, mostVisits);
        MayWriteMore =
            !ended
            || _steps.Exists(step =>
                step.Accesses.Any(access => access.IsWrite && (access.Address is null || access.Value is null))
                || (step is { Instruction: CompareSwap, TookFirst: null })
            );
        IsComplete = !MayWriteMore && _steps.TrueForAll(step => step.Accesses.All(access => access.Value is not null));
    }

    public IReadOnlyList<Step> Steps => _steps;

    /// <summary>Whether the end of the program is reached and nothing is open.</summary>
    public bool IsComplete { get; }

    /// <summary>
    /// Whether there may be writes that are not among its accesses yet, or that have no address or value yet.
    /// </summary>
    public bool MayWriteMore { get; }

    /// <summary>A store-exclusive whose success is still to be chosen.</summary>
    public AccessId? OpenExclusive { get; private set; }

    public ulong Register(int register) => _registers[register]!.Value;

    /// <summary>The path of a thread.</summary>
    /// <exception cref="OracleRefusal">An instruction was passed more than <paramref name="mostVisits"/>
    /// times.</exception>
    public static Path Of(int thread, OracleThread program, Choices choices, int mostVisits) =>
        new(thread, program, choices, mostVisits);

    private bool Run(OracleThread program, int mostVisits)
    {
        int[] visits = new int[program.Code.Count];
        for (int at = 0; at < program.Code.Count; )
        {
            if (++visits[at] > mostVisits)
            {
                throw new OracleRefusal($"a loop of P{_thread} goes round more than {mostVisits} times");
            }

            Instruction instruction = program.Code[at++];
            if (instruction is Jump jump)
            {
                if (_registers[jump.Source] is not ulong decides)
                {
                    return false;
                }

                _steps.Add(new Step(jump, []));
                at = jump.Taken(decides) ? program.Labels[jump.Label] : at;
            }
            else
            {
                _steps.Add(Execute(instruction));
                if (OpenExclusive is not null)
                {
                    return false;
                }
            }
        }

        return true;
    }

    private Step Execute(Instruction instruction)
    {
        switch (instruction)
        {
            case Operate operate:
                ulong[]? values = Known(operate.Sources);
                Set(operate.Target, values is null ? null : operate.Result(values));
                if (operate.NewFlags is not null)
                {
                    _registers[Instruction.Flags] = values is null ? null : operate.NewFlags(values);
                }

                return new Step(operate, []);

            case Select select:
                bool? holds = _registers[Instruction.Flags] is ulong flags ? select.Holds(flags) : null;
                Set(
                    select.Target,
                    holds switch
                    {
                        true => Apply(select.WhenTrue, _registers[select.IfTrue]),
                        false => Apply(select.WhenFalse, _registers[select.IfFalse]),
                        null => null,
                    }
                );
                return new Step(select, [], holds);

            case Load load:
                return PassLoad(load);

            case Store store:
                ulong? address = AddressOf(store.Address);
                Access[] writes =
                [
                    .. store.Sources.Select(
                        (source, index) =>
                            Write(
                                index,
                                address + (ulong)(index * store.Size),
                                store.Size,
                                _registers[source],
                                store.Annotation
                            )
                    ),
                ];
                WriteBack(store.Address);
                return new Step(store, writes);

            case StoreExclusive store:
                return PassExclusive(store);

            case Atomic atomic:
                return PassAtomic(atomic);

            case CompareSwap swap:
                return PassCompareSwap(swap);

            default:
                return new Step(instruction, []);
        }
    }

    private Step PassLoad(Load load)
    {
        ulong? address = AddressOf(load.Address);
        Access[] reads =
        [
            .. load.Targets.Select(
                (_, index) => Read(index, address + (ulong)(index * load.Size), load.Size, load.Annotation)
            ),
        ];
        WriteBack(load.Address);
        for (int index = 0; index < reads.Length; index++)
        {
            Set(load.Targets[index], Apply(load.Extend, reads[index].Value));
        }

        _exclusive = load.Exclusive ? _steps.Count : _exclusive;
        return new Step(load, reads);
    }

    // Without a load-exclusive of the same width before it, it fails; with one it may always fail. It stores only to
    // the address that was loaded: what else it might do is left open by the architecture.
    private Step PassExclusive(StoreExclusive store)
    {
        int partner = _exclusive;
        _exclusive = -1;
        var id = new AccessId(_thread, _steps.Count, 0);
        bool mayStore = partner >= 0 && _steps[partner].Accesses is [Access single] && single.Size == store.Size;
        if (mayStore && !_choices.Success.ContainsKey(id))
        {
            OpenExclusive = id;
            return new Step(store, []);
        }

        bool stores = mayStore && _choices.Success[id];
        Access[] writes = stores
            ? [Write(0, AddressOf(store.Address), store.Size, _registers[store.Source], store.Annotation)]
            : [];
        Set(store.Status, stores ? 0UL : 1);
        return new Step(store, writes, stores, stores ? partner : -1);
    }

    private Step PassAtomic(Atomic atomic)
    {
        ulong? address = AddressOf(atomic.Address);
        bool silent = atomic.Target == Instruction.Zero;
        Access read = Read(
            0,
            address,
            atomic.Size,
            silent ? Annotation.NoReturn : atomic.Annotation & Annotation.Acquire
        );
        ulong? stored = _registers[atomic.Operand] is ulong operand
            ? atomic.IsSwap
                ? atomic.Update(0, operand)
                : read.Value is ulong old
                    ? atomic.Update(old, operand)
                    : null
            : null;
        Access write = Write(1, address, atomic.Size, stored, atomic.Annotation & Annotation.Release);
        Set(atomic.Target, read.Value);
        return new Step(atomic, [read, write]);
    }

    private Step PassCompareSwap(CompareSwap swap)
    {
        ulong? address = AddressOf(swap.Address);
        bool silent = swap.Compare == Instruction.Zero;
        Access read = Read(0, address, swap.Size, silent ? Annotation.NoReturn : swap.Annotation & Annotation.Acquire);
        ulong mask = ulong.MaxValue >> (64 - (8 * swap.Size));
        bool? equal =
            read.Value is ulong old && _registers[swap.Compare] is ulong compare ? old == (compare & mask) : null;
        Access[] accesses =
            equal == true
                ? [read, Write(1, address, swap.Size, _registers[swap.Source], swap.Annotation & Annotation.Release)]
                : [read];
        Set(swap.Compare, read.Value);
        return new Step(swap, accesses, equal);
    }

    private Access Read(int slot, ulong? address, int size, Annotation annotation)
    {
        var id = new AccessId(_thread, _steps.Count, slot);
        return new Access(id, false, address, size, _choices.ValueOf(id), annotation);
    }

    private Access Write(int slot, ulong? address, int size, ulong? value, Annotation annotation) =>
        new(
            new AccessId(_thread, _steps.Count, slot),
            true,
            address,
            size,
            value & (ulong.MaxValue >> (64 - (8 * size))),
            annotation
        );

    private ulong? AddressOf(Address address) =>
        _registers[address.Base] + Apply(address.Extend, _registers[address.Index]) + (ulong)address.Offset;

    private void WriteBack(Address address)
    {
        if (address.WriteBack is long gain)
        {
            Set(address.Base, _registers[address.Base] + (ulong)gain);
        }
    }

    private ulong[]? Known(int[] registers) =>
        Array.TrueForAll(registers, register => _registers[register] is not null)
            ? [.. registers.Select(register => _registers[register]!.Value)]
            : null;

    private static ulong? Apply(Func<ulong, ulong> function, ulong? value) =>
        value is ulong known ? function(known) : null;

    private void Set(int register, ulong? value)
    {
        if (register != Instruction.Zero)
        {
            _registers[register] = value;
        }
    }
}
