using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Translation of addresses, and faults.</summary>
internal sealed partial class AArch64Lowering
{
    private readonly TestTranslation _translation;

    // 1 while a thread that otherwise runs at EL0 is in its handler, which runs at EL1.
    private int _privileged = -1;

    // Of an access that was translated; nothing where a test has no tables.
    private AccessOrder _translated;

    /// <summary>
    /// Translates an address, if the test has tables. From here on the thread is at the access, with the entry that it
    /// is translated by, or has taken a fault.
    /// </summary>
    private Operand LowerTranslation(Operand address, bool writes, int index)
    {
        _translated = AccessOrder.Plain;
        if (!Test.HasTables)
        {
            return default;
        }

        int entry = Temporary();
        Emit(MicroOp.Translate(entry, address));
        Operand found = Operand.Of(entry);
        ulong[] tables =
        [
            .. Test
                .Variables.Where(variable => variable.Translates is not null)
                .Select(variable => TableEntry.PageOf(Layout.ModelAddressOf(variable.Name))),
        ];
        Operand fault = Compute((a, _) => FaultOf(a, writes), found, default);
        if (IsUnprivileged)
        {
            Operand denied = Compute(
                (a, b) =>
                    (a & TableEntry.Unprivileged) == 0 || Array.IndexOf(tables, TableEntry.PageOf(b)) >= 0
                        ? (ulong)FaultKind.Permission
                        : 0,
                found,
                address
            );
            denied = HasPrivilegedHandler ? Compute(static (a, b) => b == 0 ? a : 0, denied, Privileged) : denied;
            fault = Compute(static (a, b) => a != 0 ? a : b, fault, denied);
        }

        int branch = Ops.Count + 1;
        Emit(MicroOp.Branch(Compute(static (a, _) => a == 0 ? 1UL : 0, fault, default), 0) with { IsPredicate = true });
        Emit(MicroOp.Fault(address, synchronizes: _translation.EntrySynchronizes));
        NoteTranslationFault(fault, address, index);
        LeaveFault(index);
        Ops[branch] = Ops[branch] with { Target = Ops.Count };
        _translated = AccessOrder.Translated;
        return found;
    }

    // Sets the bits of the questions that ask about this fault.
    private void NoteTranslationFault(Operand fault, Operand address, int index)
    {
        foreach (TestRegister question in QuestionsAt(index))
        {
            FaultQuestion asked = question.Fault!;
            (ulong Page, ulong[] Bits)[] bits =
            [
                .. Test.Variables.Select(variable =>
                    (
                        TableEntry.PageOf(Layout.ModelAddressOf(variable.Name)),
                        Enum.GetValues<FaultKind>()
                            .Select(kind =>
                                kind < FaultKind.Translation ? 0 : Test.Faults.BitOf(asked, index, variable.Name, kind)
                            )
                            .ToArray()
                    )
                ),
            ];
            Operand matches = Compute(
                (kind, place) => Array.Find(bits, entry => entry.Page == TableEntry.PageOf(place)).Bits?[kind] ?? 0,
                fault,
                address
            );
            int answer = ModelRegister(question);
            Emit(MicroOp.Compute(answer, static (a, b) => a | b, Operand.Of(answer), matches));
            UsedTemporaries--;
        }
    }

    /// <summary>Gets where an access of a virtual address goes.</summary>
    private Operand Physical(Operand entry, Operand address) =>
        _translated == AccessOrder.Plain ? address : Compute(TableEntry.Translate, entry, address);

    private static ulong FaultOf(ulong entry, bool writes) =>
        (entry & TableEntry.Valid) != TableEntry.Valid ? (ulong)FaultKind.Translation
        : (entry & TableEntry.Accessed) == 0 ? (ulong)FaultKind.AccessFlag
        : writes && (entry & TableEntry.ReadOnly) != 0 ? (ulong)FaultKind.Permission
        : 0;

    private bool IsUnprivileged => _translation.Unprivileged.Contains(Thread.Id);

    private bool HasPrivilegedHandler => Thread.Handler >= 0 && IsUnprivileged;

    private Operand Privileged
    {
        get
        {
            _privileged = _privileged < 0 ? NewRegister(0) : _privileged;
            return Operand.Of(_privileged);
        }
    }

    // The exception level changes with the entry to a handler and with the return from it.
    private void SetPrivilege(bool privileged)
    {
        if (HasPrivilegedHandler)
        {
            Emit(MicroOp.Copy(Privileged.Register, Operand.Number(privileged ? 1UL : 0)));
        }
    }

    private IEnumerable<TestRegister> QuestionsAt(int index) =>
        Test
            .Observables.Select(observed => observed.Register)
            .Where(register =>
                register.Fault is FaultQuestion question
                && question.Thread == _column
                && (question.Label is null || Test.Threads[_column].Labels[question.Label] == index)
            );

    private void NoteFault(int index, FaultKind kind)
    {
        foreach (TestRegister question in QuestionsAt(index))
        {
            ulong bit = Test.Faults.BitOf(question.Fault!, index, null, kind);
            int answer = ModelRegister(question);
            Emit(MicroOp.Compute(answer, (sofar, _) => sofar | bit, Operand.Of(answer), default));
        }
    }

    // To the handler, or as the test says.
    private void LeaveFault(int index)
    {
        if (Thread.Handler >= 0)
        {
            TakeException(CodeLayout.AddressOf(_column, index));
            return;
        }

        if (_translation.Return == FaultReturn.End)
        {
            Emit(MicroOp.Plain(MicroOpKind.Halt));
            return;
        }

        // The kernel handles it: there and back the context is synchronized.
        Synchronize(_translation.EntrySynchronizes || _translation.ReturnSynchronizes);
        _jumps.Add((Ops.Count, _column, _translation.Return == FaultReturn.Skip ? index + 1 : index));
        Emit(MicroOp.Jump(0));
    }

    private void LowerInvalidation(AArch64Instruction instruction, int index)
    {
        if (IsUnprivileged && !(_column == Thread.Id && HasPrivilegedHandler && index >= Thread.Handler))
        {
            throw Error(
                instruction,
                $"found {instruction} in P{Thread.Id}, which runs at EL0; "
                    + "expected it in a thread at EL1, or in the handler"
            );
        }

        string what = ((AArch64Word)instruction.Operands[0]).Text;
        bool everywhere =
            what.EndsWith("IS", StringComparison.Ordinal) || what.EndsWith("OS", StringComparison.Ordinal);

        // The register holds the number of the page, below the address space; there is one address space here, so an
        // invalidation of that one is one of everything.
        Operand page =
            what.StartsWith('V') && instruction.Operands is [_, AArch64Register register]
                ? Compute(static (a, _) => (a << 20) >> 8, Read(register), default)
                : Operand.Number(0);
        Emit(MicroOp.InvalidateTranslation(page, hereOnly: !everywhere));
    }
}
