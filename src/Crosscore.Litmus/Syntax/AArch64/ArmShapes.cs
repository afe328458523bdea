using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Syntax.AArch64;

/// <summary>Which operands each instruction takes.</summary>
internal static class ArmShapes
{
    /// <summary>
    /// What was expected instead of the operands of an instruction; <see langword="null"/> when they are right.
    /// </summary>
    public static string? ExpectedOf(ArmInstruction instruction)
    {
        IReadOnlyList<ArmOperand> operands = instruction.Operands;
        string name = instruction.Mnemonic.Name;
        bool right = instruction.Opcode switch
        {
            ArmOpcode.Nop => name switch
            {
                "PRFM" => operands is [ArmWord or ArmImmediate, ArmMemory { Indexing: ArmIndexing.None }],
                _ => operands.Count == 0 || name is "BTI" or "DMB" or "DSB",
            },
            ArmOpcode.Barrier or ArmOpcode.ExceptionReturn => operands.Count <= 1,
            ArmOpcode.Move => operands is [ArmRegister, ArmRegister or ArmImmediate]
                || (operands is [ArmRegister, _, ArmWord shift] && IsShift(shift)),
            ArmOpcode.MoveKeep => operands is [ArmRegister, ArmImmediate]
                || (operands is [ArmRegister, ArmImmediate, ArmWord shift] && IsShift(shift)),
            ArmOpcode.Compute => operands is [ArmRegister, ArmRegister, ArmRegister or ArmImmediate]
                || (
                    operands is [ArmRegister, ArmRegister, ArmRegister or ArmImmediate, ArmWord shift] && IsShift(shift)
                ),
            ArmOpcode.Compare => operands is [ArmRegister, ArmRegister or ArmImmediate]
                || (operands is [ArmRegister, ArmRegister or ArmImmediate, ArmWord shift] && IsShift(shift)),
            ArmOpcode.Select => name switch
            {
                "CSET" or "CSETM" => operands is [ArmRegister, ArmWord condition] && IsCondition(condition),
                "CINC" or "CINV" or "CNEG" => operands is [ArmRegister, ArmRegister, ArmWord condition]
                    && IsCondition(condition),
                _ => operands is [ArmRegister, ArmRegister, ArmRegister, ArmWord condition] && IsCondition(condition),
            },
            ArmOpcode.Extend => operands is [ArmRegister, ArmRegister],
            ArmOpcode.Address => operands is [ArmRegister, ArmPlace],
            ArmOpcode.Load or ArmOpcode.Store => operands is [ArmRegister, ArmMemory],
            ArmOpcode.LoadPair or ArmOpcode.StorePair => operands is [ArmRegister first, ArmRegister second, ArmMemory]
                && first.Width == second.Width,
            ArmOpcode.StoreExclusive or ArmOpcode.CompareAndSwap or ArmOpcode.Swap or ArmOpcode.LoadAndModify =>
                operands is [ArmRegister, ArmRegister, ArmMemory memory] && IsPlain(memory),
            ArmOpcode.StoreModified => operands is [ArmRegister, ArmMemory memory] && IsPlain(memory),
            ArmOpcode.Branch or ArmOpcode.BranchIf or ArmOpcode.BranchLink => operands is [ArmPlace],
            ArmOpcode.CompareAndBranch => operands is [ArmRegister, ArmPlace],
            ArmOpcode.TestAndBranch => operands is [ArmRegister, ArmImmediate, ArmPlace],
            ArmOpcode.BranchRegister or ArmOpcode.BranchLinkRegister => operands is [ArmRegister],
            ArmOpcode.Return => operands is [] or [ArmRegister],
            ArmOpcode.CleanCode => operands is [ArmWord { Text: "CVAU" or "CIVAC" or "CVAC" }, ArmRegister],
            ArmOpcode.InvalidateCode => operands
                is [ArmWord { Text: "IVAU" }, ArmRegister]
                    or [ArmWord { Text: "IALLU" or "IALLUIS" }],
            ArmOpcode.InvalidateTranslation => IsInvalidation(operands),
            ArmOpcode.ReadSystem => operands is [ArmRegister, ArmWord { Text: "ELR_EL1" or "CTR_EL0" }],
            ArmOpcode.WriteSystem => operands is [ArmWord { Text: "ELR_EL1" }, ArmRegister],
            ArmOpcode.SupervisorCall or ArmOpcode.Undefined => operands is [ArmImmediate],
            _ => true,
        };
        return right ? NoSuchForm(instruction) : Expected(instruction.Opcode, name);
    }

    // Forms that no assembler encodes, or for which the Arm ARM promises nothing (CONSTRAINED UNPREDICTABLE): a verdict
    // on them would be about no program.
    private static string? NoSuchForm(ArmInstruction instruction)
    {
        ArmRegister[] data = [.. instruction.Operands.OfType<ArmRegister>().Where(register => !register.IsZero)];
        if (instruction.Operands.OfType<ArmMemory>().FirstOrDefault() is not ArmMemory memory)
        {
            return null;
        }

        bool writesBack = memory.Indexing != ArmIndexing.None;
        bool isOrdered =
            (instruction.Mnemonic.LoadOrder | instruction.Mnemonic.StoreOrder) != AccessOrder.Plain
            && instruction.Opcode is ArmOpcode.Load or ArmOpcode.Store
            && !instruction.Mnemonic.Name.Contains("UR", StringComparison.Ordinal);
        int reach = instruction.Opcode is ArmOpcode.LoadPair or ArmOpcode.StorePair ? 512 : 256;
        return instruction.Opcode == ArmOpcode.StoreExclusive
            && instruction.Operands[0] is ArmRegister { IsZero: false } status
            && (status.Number == memory.Base.Number || status.Number == ((ArmRegister)instruction.Operands[1]).Number)
                ? "a register for the status that is neither the data nor the base"
            : instruction.Opcode == ArmOpcode.LoadPair && data.Length == 2 && data[0].Number == data[1].Number
                ? "two different registers to load"
            : writesBack && data.Any(register => register.Number == memory.Base.Number)
                ? "a base that is written back and is not the data"
            : writesBack && memory.Offset is ArmRegister ? "a constant behind the brackets"
            : writesBack && memory.Offset is ArmImmediate { Value: var offset } && (offset < -reach || offset >= reach)
                ? $"a constant from -{reach} to {reach - 1} for writing back"
            : isOrdered && !writesBack && !IsPlain(memory) ? $"{instruction.Mnemonic.Name} Wt,[Xn] without an offset"
            : null;
    }

    private static bool IsInvalidation(IReadOnlyList<ArmOperand> operands)
    {
        string what = operands is [ArmWord word, ..] ? word.Text : "";
        what =
            what.EndsWith("IS", StringComparison.Ordinal) || what.EndsWith("OS", StringComparison.Ordinal)
                ? what[..^2]
                : what;
        return what == "VMALLE1"
            ? operands.Count == 1
            : what is "VAE1" or "VAAE1" or "VALE1" or "VAALE1" or "ASIDE1" && operands is [_, ArmRegister { Width: 8 }];
    }

    private static bool IsPlain(ArmMemory memory) =>
        memory.Indexing == ArmIndexing.None && memory.Offset is null or ArmImmediate { Value: 0 };

    private static bool IsShift(ArmWord word) => word.Text.Contains(' ', StringComparison.Ordinal);

    private static bool IsCondition(ArmWord word) => ArmMnemonic.FindCondition(word.Text) is not null;

    private static string Expected(ArmOpcode opcode, string name) =>
        opcode switch
        {
            ArmOpcode.Load or ArmOpcode.Store => $"{name} Wt,[Xn] with an offset, an index register, [..]! or [..],#n",
            ArmOpcode.LoadPair or ArmOpcode.StorePair => $"{name} Wt,Wu,[Xn] with two registers of the same width",
            ArmOpcode.StoreExclusive => $"{name} Ws,Wt,[Xn]",
            ArmOpcode.CompareAndSwap or ArmOpcode.Swap or ArmOpcode.LoadAndModify => $"{name} Ws,Wt,[Xn]",
            ArmOpcode.Select => $"{name} with registers and a condition such as EQ",
            ArmOpcode.CleanCode => "DC CVAU,Xn",
            ArmOpcode.InvalidateCode => "IC IVAU,Xn, IC IALLU or IC IALLUIS",
            ArmOpcode.InvalidateTranslation =>
                "TLBI VMALLE1, or TLBI VAE1,Xn, VAAE1, VALE1, VAALE1 or ASIDE1, each also with IS or OS",
            ArmOpcode.ReadSystem => "MRS Xn,ELR_EL1 or MRS Xn,CTR_EL0",
            ArmOpcode.WriteSystem => "MSR ELR_EL1,Xn",
            ArmOpcode.Branch or ArmOpcode.BranchIf or ArmOpcode.BranchLink => $"{name} and a label of the column",
            _ => $"other operands of {name}",
        };
}
