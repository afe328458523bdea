using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Syntax.AArch64;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>
/// What of an AArch64 test's code can be changed, and where a register can jump to: the labels whose addresses the test has in its initial state or takes by ADR. An
/// instruction that nobody has the address of stays as it is.
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

        IEnumerable<InitialValue> initial = test.Variables.SelectMany(variable => variable.InitialValues).Concat(test.Threads.SelectMany(thread => thread.InitialRegisters.Values));
        foreach (InitialValue value in initial.Where(value => value.Label is not null))
        {
            _taken.Add(CodeLayout.Find(value.Number)!.Value);
        }

        foreach (LitmusThread thread in test.Threads)
        {
            foreach (ArmInstruction instruction in thread.ArmCode.Where(instruction => instruction.Opcode == ArmOpcode.Address))
            {
                _taken.UnionWith(instruction.Labels.Select(label => (thread.Id, thread.Labels[label])));
            }
        }

        // Labels whose address only jumps use are code like any other; changed can be what a store may reach, so without stores to code nothing is.
        var known = new Dictionary<ulong, ArmInstruction>();
        IEnumerable<ulong> numbers = initial.Where(value => !value.IsAddress).Select(value => value.Number)
            .Concat(test.Threads.SelectMany(thread => thread.ArmCode).SelectMany(instruction => instruction.Operands).OfType<ArmImmediate>().Select(value => (ulong)value.Value))
            .Concat(Changeable.Select(place => OpcodeAt(place.Thread, place.Index))).Append(0UL);
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

    /// <summary>The code that can change, as memory.</summary>
    public IEnumerable<MemoryRegion> Memory => Changeable.Select(place => new MemoryRegion
    {
        Name = NameOf(place),
        Address = CodeLayout.AddressOf(place.Thread, place.Index),
        ElementWidth = 4,
        InitialValues = [OpcodeAt(place.Thread, place.Index)],
        AddressTaken = true,
        IsCode = true,
    });

    private IEnumerable<(int Thread, int Index)> Changeable => _taken.Where(place => IsChangeable(place.Thread, place.Index));

    /// <summary>Whether an instruction can change. Where pages are translated none can: a store to code is outside of the memory of the program, and an error.</summary>
    public bool IsChangeable(int thread, int index) => !_test.HasTables && _taken.Contains((thread, index)) && index < _test.Threads[thread].ArmCode.Count
        && _test.Threads[thread].ArmCode[index].Opcode != ArmOpcode.End;

    /// <summary>The opcode of an instruction; of one that is not encoded here, a number that is no opcode.</summary>
    public ulong OpcodeAt(int thread, int index)
    {
        ArmInstruction instruction = _test.Threads[thread].ArmCode[index];
        ArmPlace? place = instruction.Operands.OfType<ArmPlace>().FirstOrDefault();
        long offset = place is null ? 0 : place.Label is string label ? 4 * (_test.Threads[thread].Labels[label] - index) : place.Offset;
        return ArmEncoding.Encode(instruction, offset) ?? 0xFFFF_0000u + (uint)((thread << 8) | index);
    }

    /// <summary>The columns, besides its own, that a thread may come to execute.</summary>
    public IEnumerable<LitmusThread> ReachableFrom(LitmusThread thread) => JumpsByRegister(thread)
        ? _taken.Select(place => place.Thread).Distinct().Where(id => id != thread.Id).Select(id => _test.Threads[id])
        : [];

    /// <summary>Where a register can lead a thread.</summary>
    public IEnumerable<(int Thread, int Index)> Targets(LitmusThread thread)
    {
        int[] columns = [thread.Id, .. ReachableFrom(thread).Select(other => other.Id)];
        IEnumerable<(int, int)> returns = columns.SelectMany(column => _test.Threads[column].ArmCode
            .Select((instruction, index) => (instruction, index))
            .Where(entry => entry.instruction.Opcode is ArmOpcode.BranchLink or ArmOpcode.BranchLinkRegister or ArmOpcode.SupervisorCall or ArmOpcode.Undefined
                || (_test.HasTables && entry.instruction.Operands.OfType<ArmMemory>().Any()))
            .SelectMany(entry => (IEnumerable<(int, int)>)[(column, entry.index), (column, entry.index + 1)]));
        return _taken.Where(place => columns.Contains(place.Thread)).Concat(returns).Distinct();
    }

    private static bool JumpsByRegister(LitmusThread thread) =>
        thread.ArmCode.Any(instruction => instruction.Opcode is ArmOpcode.BranchRegister or ArmOpcode.BranchLinkRegister);

    private string NameOf((int Thread, int Index) place) =>
        $"P{place.Thread}:{_test.Threads[place.Thread].Labels.First(label => label.Value == place.Index).Key}";
}
