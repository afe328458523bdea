using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>
/// What of an AArch64 test's code can be changed, and where a register can jump to: the labels whose addresses the test
/// has in its initial state or takes by ADR. An instruction whose address the test does not have stays as it is.
/// </summary>
internal sealed class AArch64Code
{
    private readonly LitmusTest _test;
    private readonly IReadOnlyList<AArch64Instruction>[] _columns;
    private readonly SortedSet<(int Thread, int Index)> _taken = [];

    public AArch64Code(LitmusTest test)
    {
        _test = test;
        _columns = [.. test.Threads.Select(thread => thread.InstructionsAs<AArch64Instruction>())];
        IEnumerable<InitialValue> initial = test.InitialValues;
        foreach (InitialValue value in initial.Where(value => value.Label is not null))
        {
            _taken.Add(CodeLayout.Find(value.Number)!.Value);
        }

        TakeAddresses();
        // Labels whose address only jumps use are code like any other; changed can be what a store may reach, so
        // without stores to code nothing is.
        var known = new Dictionary<ulong, AArch64Instruction>();
        foreach (InitialValue value in initial.Where(value => value.Instruction is not null))
        {
            known.TryAdd(value.Number, (AArch64Instruction)value.Instruction!);
        }

        foreach ((int thread, int index) in Changeable.Where(place => HasOpcode(place.Thread, place.Index)))
        {
            known.TryAdd(
                OpcodeAt(thread, index),
                AArch64Encoding.Relocatable(_columns[thread][index], OffsetOf(thread, index))
            );
        }

        Written = known.ToDictionary(entry => entry.Key, entry => (ITestInstruction)entry.Value);
        AddDecoded(known, initial);
        Known = [.. known.Select(entry => (entry.Key, entry.Value))];
    }

    // By ADR.
    private void TakeAddresses()
    {
        foreach (LitmusThread thread in _test.Threads)
        {
            foreach (
                (int index, AArch64Instruction instruction) in _columns[thread.Id]
                    .Index()
                    .Where(entry => entry.Item.Mnemonic.Name == "ADR")
            )
            {
                int place = index + (int)(OffsetOf(thread.Id, index) / 4);
                if (
                    instruction.Operands[1] is AArch64Place { Offset: var offset }
                    && offset % 4 == 0
                    && place >= 0
                    && place <= _columns[thread.Id].Count
                )
                {
                    _taken.Add((thread.Id, place));
                }
            }
        }
    }

    // Numbers that are opcodes.
    private void AddDecoded(Dictionary<ulong, AArch64Instruction> known, IEnumerable<InitialValue> initial)
    {
        IEnumerable<ulong> numbers = initial
            .Where(value => !value.IsAddress)
            .Select(value => value.Number)
            .Concat(
                _columns
                    .SelectMany(column => column)
                    .SelectMany(instruction => instruction.Operands)
                    .OfType<AArch64Immediate>()
                    .Select(value => (ulong)value.Value)
            )
            .Append(0UL);
        foreach (ulong number in numbers)
        {
            if (AArch64Encoding.Decode(number) is AArch64Instruction instruction)
            {
                known.TryAdd(number, instruction);
            }
        }
    }

    /// <summary>Gets the opcodes that code can become, and what they are.</summary>
    public IReadOnlyList<(ulong Opcode, AArch64Instruction Instruction)> Known { get; }

    /// <summary>
    /// Gets those among them that the test writes as instructions: in its initial state, or at a place whose address it
    /// has.
    /// </summary>
    public IReadOnlyDictionary<ulong, ITestInstruction> Written { get; }

    /// <summary>
    /// Whether some instruction whose address the test has is not encoded here, so that a load of it cannot be
    /// answered.
    /// </summary>
    public bool HasUnreadable => Changeable.Any(place => !HasOpcode(place.Thread, place.Index));

    /// <summary>Gets the instruction at an address, if it can change and is not encoded here.</summary>
    public AArch64Instruction? UnreadableAt(ulong address) =>
        CodeLayout.Find(address) is (int thread, int index) && IsChangeable(thread, index) && !HasOpcode(thread, index)
            ? _columns[thread][index]
            : null;

    /// <summary>Gets the code that can change, as memory.</summary>
    public IEnumerable<MemoryRegion> Memory =>
        Changeable.Select(place => new MemoryRegion
        {
            Name = NameOf(place),
            Address = CodeLayout.AddressOf(place.Thread, place.Index),
            ElementWidth = 4,
            InitialValues = [OpcodeAt(place.Thread, place.Index)],
            AddressTaken = true,
            IsCode = true,
        });

    private IEnumerable<(int Thread, int Index)> Changeable =>
        _taken.Where(place => IsChangeable(place.Thread, place.Index));

    /// <summary>
    /// Whether an instruction can change. Where pages are translated none can: a store to code is outside of the memory
    /// of the program, and an error.
    /// </summary>
    public bool IsChangeable(int thread, int index) =>
        !_test.HasTables
        && _taken.Contains((thread, index))
        && index < _columns[thread].Count
        && _columns[thread][index].Opcode != AArch64Opcode.End;

    /// <summary>
    /// Gets the opcode of an instruction; of one that is not encoded here, a number that is no opcode and that no load
    /// may see.
    /// </summary>
    public ulong OpcodeAt(int thread, int index) =>
        Encode(thread, index) ?? 0xFFFF_0000u + (uint)((thread << 8) | index);

    private bool HasOpcode(int thread, int index) => Encode(thread, index) is not null;

    private uint? Encode(int thread, int index) =>
        AArch64Encoding.Encode(_columns[thread][index], OffsetOf(thread, index));

    // Bytes from an instruction to the place that it names, if it names one.
    private long OffsetOf(int thread, int index)
    {
        AArch64Place? place = _columns[thread][index].Operands.OfType<AArch64Place>().FirstOrDefault();
        return place is null ? 0
            : place.Label is string label ? 4L * (_test.Threads[thread].Labels[label] - index)
            : place.Offset;
    }

    /// <summary>Gets the columns, besides its own, that a thread may come to execute.</summary>
    public IEnumerable<LitmusThread> ReachableFrom(LitmusThread thread) =>
        JumpsByRegister(thread)
            ? _taken
                .Select(place => place.Thread)
                .Distinct()
                .Where(id => id != thread.Id)
                .Select(id => _test.Threads[id])
            : [];

    /// <summary>Gets where a register can lead a thread.</summary>
    public IEnumerable<(int Thread, int Index)> Targets(LitmusThread thread)
    {
        int[] columns = [thread.Id, .. ReachableFrom(thread).Select(other => other.Id)];
        IEnumerable<(int, int)> returns = columns.SelectMany(column =>
            _columns[column]
                .Select((instruction, index) => (instruction, index))
                .Where(entry =>
                    entry.instruction.Opcode
                        is AArch64Opcode.BranchLink
                            or AArch64Opcode.BranchLinkRegister
                            or AArch64Opcode.SupervisorCall
                            or AArch64Opcode.Undefined
                    || (_test.HasTables && entry.instruction.Operands.OfType<AArch64Memory>().Any())
                )
                .SelectMany(entry => (IEnumerable<(int, int)>)[(column, entry.index), (column, entry.index + 1)])
        );
        return _taken.Where(place => columns.Contains(place.Thread)).Concat(returns).Distinct();
    }

    private bool JumpsByRegister(LitmusThread thread) =>
        _columns[thread.Id]
            .Any(instruction =>
                instruction.Opcode
                    is AArch64Opcode.BranchRegister
                        or AArch64Opcode.BranchLinkRegister
                        or AArch64Opcode.Return
                        or AArch64Opcode.WriteSystem
            );

    private string NameOf((int Thread, int Index) place)
    {
        string? label = _test.Threads[place.Thread].Labels.FirstOrDefault(label => label.Value == place.Index).Key;
        return $"P{place.Thread}:{label ?? $"instruction {place.Index}"}";
    }
}
