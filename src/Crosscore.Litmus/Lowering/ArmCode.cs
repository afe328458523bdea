using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Syntax.AArch64;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>
/// What of an AArch64 test's code can be changed, and where a register can jump to: the labels whose addresses the test
/// has in its initial state or takes by ADR. An instruction that nobody has the address of stays as it is.
/// </summary>
internal sealed class ArmCode
{
    private readonly LitmusTest _test;
    private readonly SortedSet<(int Thread, int Index)> _taken = [];

    public ArmCode(LitmusTest test)
    {
        _test = test;
        if (test.Architecture != Architecture.AArch64)
        {
            return;
        }

        IEnumerable<InitialValue> initial = test
            .Variables.SelectMany(variable => variable.InitialValues)
            .Concat(test.Threads.SelectMany(thread => thread.InitialRegisters.Values));
        foreach (InitialValue value in initial.Where(value => value.Label is not null))
        {
            _taken.Add(CodeLayout.Find(value.Number)!.Value);
        }

        foreach (LitmusThread thread in test.Threads)
        {
            foreach (
                (int index, ArmInstruction instruction) in thread
                    .ArmCode.Index()
                    .Where(entry => entry.Item.Mnemonic.Name == "ADR")
            )
            {
                int place = index + (int)(OffsetOf(thread.Id, index) / 4);
                if (
                    instruction.Operands[1] is ArmPlace { Offset: var offset }
                    && offset % 4 == 0
                    && place >= 0
                    && place <= thread.ArmCode.Count
                )
                {
                    _taken.Add((thread.Id, place));
                }
            }
        }

        // Labels whose address only jumps use are code like any other; changed can be what a store may reach, so
        // without stores to code nothing is.
        var known = new Dictionary<ulong, ArmInstruction>();
        foreach (InitialValue value in initial.Where(value => value.Instruction is not null))
        {
            known.TryAdd(value.Number, value.Instruction!);
        }

        foreach ((int thread, int index) in Changeable.Where(place => HasOpcode(place.Thread, place.Index)))
        {
            known.TryAdd(
                OpcodeAt(thread, index),
                ArmEncoding.Relocatable(test.Threads[thread].ArmCode[index], OffsetOf(thread, index))
            );
        }

        Written = new Dictionary<ulong, ArmInstruction>(known);
        IEnumerable<ulong> numbers = initial
            .Where(value => !value.IsAddress)
            .Select(value => value.Number)
            .Concat(
                test.Threads.SelectMany(thread => thread.ArmCode)
                    .SelectMany(instruction => instruction.Operands)
                    .OfType<ArmImmediate>()
                    .Select(value => (ulong)value.Value)
            )
            .Append(0UL);
        foreach (ulong number in numbers)
        {
            if (ArmEncoding.Decode(number) is ArmInstruction instruction)
            {
                known.TryAdd(number, instruction);
            }
        }

        Known = [.. known.Select(entry => (entry.Key, entry.Value))];
    }

    /// <summary>The opcodes that code can become, and what they are.</summary>
    public IReadOnlyList<(ulong Opcode, ArmInstruction Instruction)> Known { get; } = [];

    /// <summary>
    /// Those among them that the test writes as instructions: in its initial state, or at a place whose address it has.
    /// </summary>
    public IReadOnlyDictionary<ulong, ArmInstruction> Written { get; } = new Dictionary<ulong, ArmInstruction>();

    /// <summary>
    /// Whether some instruction whose address the test has is not encoded here, so that a load of it cannot be
    /// answered.
    /// </summary>
    public bool HasUnreadable => Changeable.Any(place => !HasOpcode(place.Thread, place.Index));

    /// <summary>The instruction at an address, if it can change and is not encoded here.</summary>
    public ArmInstruction? UnreadableAt(ulong address) =>
        CodeLayout.Find(address) is (int thread, int index) && IsChangeable(thread, index) && !HasOpcode(thread, index)
            ? _test.Threads[thread].ArmCode[index]
            : null;

    /// <summary>The code that can change, as memory.</summary>
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
        && index < _test.Threads[thread].ArmCode.Count
        && _test.Threads[thread].ArmCode[index].Opcode != ArmOpcode.End;

    /// <summary>
    /// The opcode of an instruction; of one that is not encoded here, a number that is no opcode and that no load may
    /// see.
    /// </summary>
    public ulong OpcodeAt(int thread, int index) =>
        Encode(thread, index) ?? 0xFFFF_0000u + (uint)((thread << 8) | index);

    private bool HasOpcode(int thread, int index) => Encode(thread, index) is not null;

    private uint? Encode(int thread, int index) =>
        ArmEncoding.Encode(_test.Threads[thread].ArmCode[index], OffsetOf(thread, index));

    // Bytes from an instruction to the place that it names, if it names one.
    private long OffsetOf(int thread, int index)
    {
        ArmPlace? place = _test.Threads[thread].ArmCode[index].Operands.OfType<ArmPlace>().FirstOrDefault();
        return place is null ? 0
            : place.Label is string label ? 4L * (_test.Threads[thread].Labels[label] - index)
            : place.Offset;
    }

    /// <summary>The columns, besides its own, that a thread may come to execute.</summary>
    public IEnumerable<LitmusThread> ReachableFrom(LitmusThread thread) =>
        JumpsByRegister(thread)
            ? _taken
                .Select(place => place.Thread)
                .Distinct()
                .Where(id => id != thread.Id)
                .Select(id => _test.Threads[id])
            : [];

    /// <summary>Where a register can lead a thread.</summary>
    public IEnumerable<(int Thread, int Index)> Targets(LitmusThread thread)
    {
        int[] columns = [thread.Id, .. ReachableFrom(thread).Select(other => other.Id)];
        IEnumerable<(int, int)> returns = columns.SelectMany(column =>
            _test
                .Threads[column]
                .ArmCode.Select((instruction, index) => (instruction, index))
                .Where(entry =>
                    entry.instruction.Opcode
                        is ArmOpcode.BranchLink
                            or ArmOpcode.BranchLinkRegister
                            or ArmOpcode.SupervisorCall
                            or ArmOpcode.Undefined
                    || (_test.HasTables && entry.instruction.Operands.OfType<ArmMemory>().Any())
                )
                .SelectMany(entry => (IEnumerable<(int, int)>)[(column, entry.index), (column, entry.index + 1)])
        );
        return _taken.Where(place => columns.Contains(place.Thread)).Concat(returns).Distinct();
    }

    private static bool JumpsByRegister(LitmusThread thread) =>
        thread.ArmCode.Any(instruction =>
            instruction.Opcode
                is ArmOpcode.BranchRegister
                    or ArmOpcode.BranchLinkRegister
                    or ArmOpcode.Return
                    or ArmOpcode.WriteSystem
        );

    private string NameOf((int Thread, int Index) place) =>
        $"P{place.Thread}:{_test.Threads[place.Thread].Labels.FirstOrDefault(label => label.Value == place.Index).Key ?? $"instruction {place.Index}"}";
}
